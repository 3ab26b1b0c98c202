"""The sandbox's own tests use the fixtures of the whole suite."""
