"""Webhooks of the gateway: verify, enqueue, read the object again."""
