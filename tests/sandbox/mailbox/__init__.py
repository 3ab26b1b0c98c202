"""Tests of sandbox mailbox."""
