"""Whole flows as scenarios that can be interrupted at every step."""
