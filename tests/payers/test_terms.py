"""Terms and Disclaimers: a first text of each kind, versions that never change, and who publishes them."""

import pytest
from django.utils import timezone

from merchants.models import Membership, Merchant, Terms
from merchants.terms import current_terms, publish_terms, shown_text
from tests.people import House
from wisepay.models import AuditEntry

KINDS = Terms.Kind.values


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_first_text_that_names_the_merchant(house: House, kind: str) -> None:
    terms = current_terms(house.merchant, kind)
    assert (terms.version, current_terms(house.merchant, kind).pk) == (1, terms.pk)
    text = shown_text(terms)
    assert "Northwind IT" in text
    assert "admin@northwind-it.example" in text
    assert "{" not in text


def test_a_merchant_without_a_contact_is_its_own_contact(house: House) -> None:
    Merchant.objects.update(contact_email="")
    terms = current_terms(Merchant.objects.get(), "payment")
    assert shown_text(terms).endswith("contact Northwind IT first: Northwind IT.")


def test_a_new_text_is_a_new_version_and_the_old_one_stays(house: House) -> None:
    first = current_terms(house.merchant, "payment")
    words = first.text
    second = publish_terms(house.merchant, kind="payment", text=" Ours. \n", by=house.user, now=timezone.now())
    assert (second.version, second.text, second.created_by) == (2, "Ours.", house.user)
    same = publish_terms(house.merchant, kind="payment", text="Ours.", by=house.user, now=timezone.now())
    assert same.pk == second.pk
    first.refresh_from_db()
    assert (first.text, current_terms(house.merchant, "payment").version) == (words, 2)
    assert current_terms(house.merchant, "saved_card").version == 1


def test_what_a_merchant_writes_is_text_and_nothing_else(house: House) -> None:
    text = "<script>alert(1)</script> {merchant} {nobody}"
    publish_terms(house.merchant, kind="payment", text=text, by=house.user, now=timezone.now())
    page = house.admin.get(house.url("configure/terms/payment")).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; Northwind IT {nobody}" in page


def test_an_admin_publishes_and_sees_every_version(house: House) -> None:
    path = house.url("configure/terms/user_account")
    answer = house.admin.post(path, {"text": "Be kind."})
    assert (answer.status_code, answer["Location"]) == (302, path)
    page = house.admin.get(path).content.decode()
    assert "Version 1" in page
    assert "Version 2" in page
    assert AuditEntry.objects.get(act="terms.published").subject == "User Account terms v2"
    house.admin.post(path, {"text": "Be kind."})
    assert AuditEntry.objects.filter(act="terms.published").count() == 1
    assert house.admin.post(path, {"text": " "}).status_code == 422
    assert house.admin.get(house.url("configure/terms/nonsense")).status_code == 404
    listed = house.admin.get(house.url("configure/terms/")).content.decode()
    assert all(label in listed for label in Terms.Kind.labels)


def test_terms_are_an_admins_matter(house: House, stranger: House) -> None:
    path = house.url("configure/terms/payment")
    assert stranger.admin.post(path, {"text": "Mine."}).status_code == 404
    house.merchant.memberships.update(role=Membership.Role.USER)
    assert house.admin.post(path, {"text": "Mine."}).status_code == 403
    assert house.payer().post(path, {"text": "Mine."}).status_code == 404
    assert not Terms.objects.filter(text="Mine.").exists()
