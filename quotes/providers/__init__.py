"""Quoting tools that quotes are read from. An adapter knows no models: it speaks frozen dataclasses."""
