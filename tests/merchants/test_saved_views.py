"""Views that a person saves of a list: theirs alone, at one merchant, and no more than stands in the address."""

import pytest

from merchants.models import Membership
from tests.merchants.test_people import join
from tests.tenants import Tenant


def save(tenant: Tenant, **form: str) -> str:
    """Post the form; the page that it leads to."""
    answer = tenant.admin.post(tenant.url("lists/payments/views"), {"act": "save", **form}, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_view_is_saved_shown_replaced_and_removed(tenant: Tenant) -> None:
    page = save(tenant, name="Big ones", query="sort=-amount&standing=succeeded&after=5~1&evil=%3Cb%3E")
    assert 'href="?sort=-amount&amp;standing=succeeded&amp;evil=%3Cb%3E" aria-current="true">Big ones</a>' in page
    assert "Saved. Only you see your views." in page
    assert "sort=amount" in save(tenant, name="Big ones", query="sort=amount")
    assert tenant.admin.get(tenant.url("payments/")).content.decode().count(">Big ones</a>") == 1
    gone = save(tenant, act="remove", old="Big ones", query="")
    assert ("Removed." in gone, "Big ones" in gone) == (True, False)


def test_views_are_nobody_elses(tenant: Tenant, stranger: Tenant) -> None:
    save(tenant, name="Mine", query="sort=amount")
    tenant.admin.force_login(join(tenant, "reader").user)
    assert "Mine" not in tenant.admin.get(tenant.url("payments/")).content.decode()
    assert stranger.admin.post(tenant.url("lists/payments/views"), {"act": "save", "name": "x"}).status_code == 404


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"name": ""}, "Give the view a name"),
        ({"name": "x" * 41}, "at most 40 characters"),
        ({"name": "a\u202eb"}, "direction of text"),
        ({"act": "rename", "name": "x"}, "Select a valid choice"),
        ({"act": "remove", "old": "none"}, "There is no view of that name."),
    ],
)
def test_what_is_no_view_is_refused_in_words(tenant: Tenant, form: dict[str, str], words: str) -> None:
    assert words in save(tenant, query="sort=amount", **form)
    assert Membership.objects.get(merchant=tenant.merchant, user=tenant.user).saved_views.get("payments", {}) == {}


def test_there_is_a_limit_and_no_list_of_another_name(tenant: Tenant) -> None:
    for number in range(20):
        save(tenant, name=f"View {number}", query=f"q={number}")
    assert "You have 20 views of this list." in save(tenant, name="One more", query="q=x")
    assert "Saved." in save(tenant, name="View 3", query="q=y")
    assert tenant.admin.post(tenant.url("lists/none/views"), {"act": "save", "name": "x"}).status_code == 404
