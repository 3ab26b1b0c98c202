"""Cards, bank accounts, tokens and mandates of the practice Stripe."""
