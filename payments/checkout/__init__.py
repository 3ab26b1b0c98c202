"""Pay Now: the checkout pages and their JSON API."""
