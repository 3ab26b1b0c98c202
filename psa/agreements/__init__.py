"""PSA's agreements: read, proposed as Auto-Pay mappings, and PSA's billing terms as a person said what they mean."""
