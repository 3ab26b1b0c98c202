"""Tests of saved methods and of the customers who own them at the gateway."""
