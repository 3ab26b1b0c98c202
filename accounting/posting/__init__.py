"""Postings: what payments write into the ledger, sent in batches, with manual tasks where the ledger refuses."""
