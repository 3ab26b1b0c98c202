"""Tests of automatic payments."""
