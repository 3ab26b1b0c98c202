"""Tests of payments portal."""
