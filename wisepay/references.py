"""Random public references, used in URLs instead of primary keys."""

import secrets

ALPHABET = "23456789abcdefghijkmnpqrstuvwxyz"


def new_reference(length: int = 20) -> str:
    """Create a random reference of `length` characters that are hard to misread (5 bits each)."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


# Each of the 256 bytes is one of the 32 characters, all of them equally often.
BY_BYTE = bytes(ord(ALPHABET[byte % len(ALPHABET)]) for byte in range(256))


def new_references(count: int, length: int = 20) -> list[str]:
    """Create many references with one system call, for rows that are written in bulk."""
    text = secrets.token_bytes(count * length).translate(BY_BYTE).decode()
    return [text[begin : begin + length] for begin in range(0, count * length, length)]
