"""Tests of payments webhooks."""
