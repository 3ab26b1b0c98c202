"""Tests of PayNow Links of invoices."""
