"""The merchant's pages about payments: gateway keys, list, detail, refunds."""
