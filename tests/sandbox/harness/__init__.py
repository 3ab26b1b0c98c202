"""Tests of sandbox harness."""
