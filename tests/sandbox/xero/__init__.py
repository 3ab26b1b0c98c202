"""Tests of sandbox xero."""
