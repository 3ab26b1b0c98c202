"""Tests of reconciliation: Stripe, our ledger and the books."""
