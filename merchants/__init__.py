"""The tenant: merchants, their people, links, terms and notifications."""
