"""Tests of people's accounts: signing in, second factors, sign-on."""
