"""Payer Admin: the merchant's pages about payers, their people and saved methods."""
