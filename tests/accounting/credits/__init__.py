"""Tests of accounting credits."""
