"""The Stripe gateway."""
