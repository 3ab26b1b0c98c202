"""Bad input: every field of every page, with every value that nobody means."""
