"""Tests of accounting payment sync."""
