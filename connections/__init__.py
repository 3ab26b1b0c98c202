"""OAuth connections to accounting packages: three tiers a merchant, their tokens, their state."""
