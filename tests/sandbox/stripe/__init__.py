"""Tests of sandbox stripe."""
