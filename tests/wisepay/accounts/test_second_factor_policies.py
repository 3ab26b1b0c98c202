"""Policies about second factors: one True requires it, False alone does not, no opinion requires it."""

from collections.abc import Iterator

import pytest
from django.test import Client

from tests.sign_in_steps import enrol_authenticator, is_signed_in, list_mails, submit_password
from tests.tenants import Tenant
from wisepay.accounts import services
from wisepay.accounts.services import sync_email_address
from wisepay.models import User


@pytest.fixture
def policies() -> Iterator[list[services.SecondFactorPolicy]]:
    """The list of policies, empty for the test."""
    registered, services.SECOND_FACTOR_POLICIES[:] = services.SECOND_FACTOR_POLICIES[:], []
    yield services.SECOND_FACTOR_POLICIES
    services.SECOND_FACTOR_POLICIES[:] = registered


@pytest.mark.parametrize(
    ("votes", "needed"),
    [
        ([], True),
        ([None], True),
        ([False], False),
        ([None, False], False),
        ([False, True], True),
        ([True, False, None], True),
    ],
)
def test_the_vote(policies: list[services.SecondFactorPolicy], votes: list[bool | None], needed: bool) -> None:
    policies.extend(lambda user, vote=vote: vote for vote in votes)  # type: ignore[misc]
    assert services.needs_second_factor(User()) is needed


def test_a_person_who_needs_no_second_factor_is_asked_for_none_but_verifies_the_address_once(
    tenant: Tenant, browser: Client, policies: list[services.SecondFactorPolicy]
) -> None:
    policies.append(lambda user: False)
    submit_password(browser)
    assert not is_signed_in(browser)
    [mail] = list_mails(tenant.world)
    [link] = [word for word in mail["text"].split() if "/confirm-email/" in word]
    browser.post(link)
    assert submit_password(browser)["Location"] == "/"
    assert is_signed_in(browser)
    assert len(list_mails(tenant.world)) == 1


def test_an_app_is_asked_for_even_where_no_second_factor_is_needed(
    tenant: Tenant, browser: Client, policies: list[services.SecondFactorPolicy]
) -> None:
    policies.append(lambda user: False)
    sync_email_address(tenant.user, verified=True)
    enrol_authenticator(tenant.user)
    assert submit_password(browser)["Location"] == "/accounts/2fa/authenticate/"
    assert not is_signed_in(browser)
