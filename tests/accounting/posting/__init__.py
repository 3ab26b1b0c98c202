"""Tests of accounting posting."""
