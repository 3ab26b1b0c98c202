"""Tests of sandbox core."""
