"""Random public references: what stands in a URL instead of a primary key."""

import secrets

ALPHABET = "23456789abcdefghijkmnpqrstuvwxyz"


def new_reference(length: int = 20) -> str:
    """A random reference of `length` characters that are hard to misread (5 bits each)."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
