"""Passwords that anybody would guess who knows where they are used (NIST SP 800-63B, 5.1.1.2; ASVS 5.0, 6.2.11)."""

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from tests.tenants import PASSWORD, Tenant

GUESSED = [
    "WisePay-2026!",
    "wise-pay wise-pay",
    "W1sePay.P4yment",
    "ConnectWise#123",
    "xero-xero-xero-1",
    "Paynow_Invoice_7",
]
OWN = ["Northwind IT 2026", "northwind!northwind", "N0rthwind-2026"]
GOOD = [PASSWORD, "violet-harbour-9", "my invoice about tulips", "northbound-with-7-sails", "длинный-пароль-о-море"]


@pytest.mark.parametrize("password", GUESSED)
def test_words_of_the_product_are_no_password(password: str) -> None:
    with pytest.raises(ValidationError, match="something else than words"):
        validate_password(password)


@pytest.mark.parametrize("password", OWN)
def test_the_name_of_ones_merchant_is_none_either(tenant: Tenant, password: str) -> None:
    validate_password(password)  # of nobody it says nothing
    with pytest.raises(ValidationError, match="something else than words"):
        validate_password(password, tenant.user)


@pytest.mark.parametrize("password", GOOD)
def test_a_long_password_of_other_words_is_taken(tenant: Tenant, password: str) -> None:
    assert validate_password(password, tenant.user) is None  # type: ignore[func-returns-value]
