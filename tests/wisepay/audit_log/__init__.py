"""Tests of the audit log: its chain of seals, and what is written into it."""
