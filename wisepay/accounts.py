"""How django-allauth behaves here: people are invited, nobody signs up from the street."""

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Merchant users are made by `manage.py create_merchant`."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False
