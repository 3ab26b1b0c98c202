"""Which contacts of the ledger the merchant's companies are: shown, chosen, undone, and followed when they change."""
