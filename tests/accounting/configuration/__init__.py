"""Tests of the accounting settings."""
