"""The vote about second factors: one True wins, False frees, nobody's opinion means needed."""

from collections.abc import Iterator

import pytest
from django.test import Client

from tests.people import House
from tests.signing_in import enrol_app, give_password, is_signed_in, mails
from wisepay import two_factor
from wisepay.accounts import ensure_address
from wisepay.models import User


@pytest.fixture
def voters() -> Iterator[list[two_factor.Voter]]:
    """The list of voters, empty for the test."""
    kept, two_factor._voters[:] = two_factor._voters[:], []
    yield two_factor._voters
    two_factor._voters[:] = kept


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
def test_the_vote(voters: list[two_factor.Voter], votes: list[bool | None], needed: bool) -> None:
    for vote in votes:
        two_factor.two_factor_voter(lambda user, vote=vote: vote)  # type: ignore[misc]
    assert two_factor.needs_second_factor(User()) is needed


def test_a_person_who_needs_no_second_factor_is_asked_for_none_but_verifies_the_address_once(
    house: House, browser: Client, voters: list[two_factor.Voter]
) -> None:
    voters.append(lambda user: False)
    give_password(browser)
    assert not is_signed_in(browser)
    [mail] = mails(house.world)
    [link] = [word for word in mail["text"].split() if "/confirm-email/" in word]
    browser.post(link)
    assert give_password(browser)["Location"] == "/"
    assert is_signed_in(browser)
    assert len(mails(house.world)) == 1


def test_an_app_is_asked_for_even_where_no_second_factor_is_needed(
    house: House, browser: Client, voters: list[two_factor.Voter]
) -> None:
    voters.append(lambda user: False)
    ensure_address(house.user, verified=True)
    enrol_app(house.user)
    assert give_password(browser)["Location"] == "/accounts/2fa/authenticate/"
    assert not is_signed_in(browser)
