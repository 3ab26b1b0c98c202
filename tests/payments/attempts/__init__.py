"""Tests of payments attempts."""
