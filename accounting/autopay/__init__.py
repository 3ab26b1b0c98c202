"""Automatic payments: terms, mappings, what is planned, what is charged, and what is shown of it."""
