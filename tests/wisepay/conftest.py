"""Fixtures of this directory."""

from tests.quick import quick_passwords

__all__ = ["quick_passwords"]
