"""The books: postings of quote payments, the credit notes they make, and the ledger they go to."""
