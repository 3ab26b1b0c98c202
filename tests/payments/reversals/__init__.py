"""Tests of payments reversals."""
