"""The terms that payers accept: versions, texts, the merchant's pages."""
