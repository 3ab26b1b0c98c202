"""Saved payment methods and the setups that save them."""
