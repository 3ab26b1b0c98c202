"""What the product costs: statements, bytes, calls and milliseconds, each held against a bound."""
