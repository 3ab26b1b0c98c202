"""Sync Invoices: closed invoices of PSA that the books lack are made there, as a preview showed them."""
