"""Tests of the PSA floor."""
