"""A merchant's accounting settings and the lists they choose from."""
