"""The Xero ledger."""
