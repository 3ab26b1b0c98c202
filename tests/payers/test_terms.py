"""Terms and Disclaimers: a first text of each kind, versions that never change, and who publishes them."""

import pytest
from django.utils import timezone

from merchants.models import Merchant, Terms
from merchants.terms.services import create_terms_version, get_current_terms, render_terms
from tests.tenants import Tenant, give_role
from wisepay.models import AuditEntry

KINDS = Terms.Kind.values


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_first_text_that_names_the_merchant(tenant: Tenant, kind: str) -> None:
    terms = get_current_terms(tenant.merchant, kind)
    assert (terms.version, get_current_terms(tenant.merchant, kind).pk) == (1, terms.pk)
    text = render_terms(terms)
    assert "Northwind IT" in text
    assert "admin@northwind-it.example" in text
    assert "{" not in text


def test_a_merchant_without_a_contact_is_its_own_contact(tenant: Tenant) -> None:
    Merchant.objects.update(contact_email="")
    terms = get_current_terms(Merchant.objects.get(), "payment")
    assert render_terms(terms).endswith("contact Northwind IT first: Northwind IT.")


def test_a_new_text_is_a_new_version_and_the_old_one_stays(tenant: Tenant) -> None:
    first = get_current_terms(tenant.merchant, "payment")
    words = first.text
    second = create_terms_version(tenant.merchant, kind="payment", text=" Ours. \n", by=tenant.user, now=timezone.now())
    assert (second.version, second.text, second.created_by) == (2, "Ours.", tenant.user)
    same = create_terms_version(tenant.merchant, kind="payment", text="Ours.", by=tenant.user, now=timezone.now())
    assert same.pk == second.pk
    first.refresh_from_db()
    assert (first.text, get_current_terms(tenant.merchant, "payment").version) == (words, 2)
    assert get_current_terms(tenant.merchant, "saved_card").version == 1


def test_what_a_merchant_writes_is_text_and_nothing_else(tenant: Tenant) -> None:
    text = "<script>alert(1)</script> {merchant} {nobody}"
    create_terms_version(tenant.merchant, kind="payment", text=text, by=tenant.user, now=timezone.now())
    page = tenant.admin.get(tenant.url("configure/terms/payment")).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; Northwind IT {nobody}" in page


def test_an_admin_publishes_and_sees_every_version(tenant: Tenant) -> None:
    path = tenant.url("configure/terms/user_account")
    answer = tenant.admin.post(path, {"text": "Be kind."})
    assert (answer.status_code, answer["Location"]) == (302, path)
    page = tenant.admin.get(path).content.decode()
    assert "Version 1" in page
    assert "Version 2" in page
    assert AuditEntry.objects.get(action="terms.published").subject == "User Account terms v2"
    tenant.admin.post(path, {"text": "Be kind."})
    assert AuditEntry.objects.filter(action="terms.published").count() == 1
    assert tenant.admin.post(path, {"text": " "}).status_code == 422
    assert tenant.admin.get(tenant.url("configure/terms/nonsense")).status_code == 404
    listed = tenant.admin.get(tenant.url("configure/terms/")).content.decode()
    assert all(label in listed for label in Terms.Kind.labels)


def test_terms_are_an_admins_matter(tenant: Tenant, stranger: Tenant) -> None:
    path = tenant.url("configure/terms/payment")
    assert stranger.admin.post(path, {"text": "Mine."}).status_code == 404
    give_role(tenant.merchant, "user")
    assert tenant.admin.post(path, {"text": "Mine."}).status_code == 403
    assert tenant.payer().post(path, {"text": "Mine."}).status_code == 404
    assert not Terms.objects.filter(text="Mine.").exists()
