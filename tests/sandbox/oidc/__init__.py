"""Tests of sandbox oidc."""
