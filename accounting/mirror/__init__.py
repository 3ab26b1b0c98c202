"""The mirror: contacts, invoices and credit notes of the ledger, kept up to date here."""
