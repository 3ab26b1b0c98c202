"""Tests of sandbox intuit."""
