"""Tests of what stands beside the product: the database's role, the cache's password, the pinning of images."""
