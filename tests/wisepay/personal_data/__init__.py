"""Tests of personal data: the table, export, erasure, retention."""
