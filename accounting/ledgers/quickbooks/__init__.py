"""The QuickBooks Online ledger."""
