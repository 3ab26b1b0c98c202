"""Tests of payments balance."""
