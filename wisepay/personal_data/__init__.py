"""Personal data: which table holds what of people, what a person is given of it, and what erasure does to it."""
