"""Tests of payments payer admin."""
