"""What a stranger's tools find: generated requests to every published API."""
