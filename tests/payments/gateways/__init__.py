"""Tests of payments gateways."""
