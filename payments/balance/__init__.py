"""Balance transactions and payouts of the gateway, read into our tables."""
