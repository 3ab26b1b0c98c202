"""Tests of payments checkout."""
