"""Events of the practice Stripe and their delivery to webhook endpoints."""
