"""Tests of sandbox orderporter."""
