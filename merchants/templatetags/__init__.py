"""Template filters of the tenant."""
