"""How the practice world is run: the demo, the tests' launcher, embedded PostgreSQL and Valkey, processes."""
