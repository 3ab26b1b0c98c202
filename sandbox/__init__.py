"""The practice world: a process of its own that answers like the vendors do."""
