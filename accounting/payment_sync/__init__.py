"""Payment Sync: read what was paid in the ledger and show what followed from it."""
