"""Pay Now: the payment, its attempts, and the gateway they talk to."""
