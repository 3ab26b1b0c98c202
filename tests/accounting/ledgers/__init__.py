"""Tests of accounting ledgers."""
