"""Gateway operations: what attempts and setups have in common."""
