"""Tests of accounting ledgers quickbooks."""
