"""The rate limiter: every call to a provider needs a permit of the account's call budget."""
