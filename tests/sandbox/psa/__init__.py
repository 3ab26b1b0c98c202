"""Tests of the practice ConnectWise PSA."""
