"""Attempts: each is one try to charge a payment at the gateway."""
