"""Quotes: CPQ intake, the checkout of a quote, and the way back to Order Porter."""
