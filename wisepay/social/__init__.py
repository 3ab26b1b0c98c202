"""Signing on with an account at Xero or Microsoft: OpenID Connect, only into accounts that exist."""
