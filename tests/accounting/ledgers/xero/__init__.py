"""Tests of accounting ledgers xero."""
