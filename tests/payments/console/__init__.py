"""Tests of payments console."""
