"""The audit log's tables, its chain of seals, its verification, and how it is shown."""
