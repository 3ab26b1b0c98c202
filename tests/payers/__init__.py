"""Tests of the payers floor."""
