"""Payer companies: who pays, and which accounting contact they are."""
