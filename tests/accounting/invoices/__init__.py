"""Tests of accounting invoices."""
