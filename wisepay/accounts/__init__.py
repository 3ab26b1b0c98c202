"""People's accounts: signing in with django-allauth, second factors, re-authentication."""
