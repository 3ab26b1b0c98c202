"""Attempts: one try each to charge a payment at the gateway."""
