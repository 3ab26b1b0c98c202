"""Reconciliation: compare Stripe, our own ledger and the accounting package, with a reason for each difference."""
