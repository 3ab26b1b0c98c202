"""Template filters of accounting."""
