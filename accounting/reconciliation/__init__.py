"""Reconciliation: Stripe = our own ledger of movements = the books, and the reasons where they are not."""
