"""Tests of the practice world, over real HTTP."""
