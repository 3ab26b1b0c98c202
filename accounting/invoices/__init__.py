"""Invoices of the ledger: their open balances, and paying them."""
