"""Tests of accounting mirror."""
