"""Tests of connections rate limiter."""
