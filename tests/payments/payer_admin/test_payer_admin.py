"""Payer Admin: the list and its badges, adding and removing payers, mapping companies, and who may do any of it."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounting.models import LedgerContact
from payers.models import Payer, PayerAccess, PayerCompany
from payments.models import Attempt, SavedMethod
from payments.payer_admin import badges
from payments.saved_methods.choices import can_use_method
from tests.payers.welcome_flow import EMAIL, get_welcome_link, invite, list_mails
from tests.tenants import Checkout, Tenant, numbers
from wisepay.models import AuditEntry, User

TODAY = date(2026, 11, 22)
VALID_FORM = {
    "q": "Blue Wren Cafe",
    "contact_id": "",
    "email": "Bo@bluewren.example",
    "name": "Bo Wren",
    "then": "list",
}


def create_saved_method(
    access: PayerAccess, *, tenant: Tenant, kind: str = "card", state: str = "active", **more: Any
) -> SavedMethod:
    """A method that the person saved."""
    at = timezone.now()
    number = next(numbers)
    return SavedMethod.objects.create(
        account=tenant.merchant.gateway_account,
        company=access.company,
        owner=access.user,
        stripe_customer_id="cus_1",
        stripe_payment_method_id=f"pm_{number}",
        kind=kind,
        brand="visa" if kind == "card" else "Practice Bank",
        last4=f"{number:04}"[-4:],
        state=state,
        state_at=at,
        **more,
    )


def get_list(tenant: Tenant, client: Client | None = None, **query: str) -> str:
    """The list as text."""
    answer = (client or tenant.admin).get(tenant.url("payers/"), query)
    assert answer.status_code == 200
    return str(answer.content.decode())


def post_and_read(client: Client, path: str, fields: dict[str, str] | None = None) -> str:
    """Post, follow, and read the page that comes."""
    answer = client.post(path, fields or {}, follow=True)
    assert answer.status_code == 200, answer
    return str(answer.content.decode())


# ---- badges -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "mark"),
    [
        ({}, badges.SAVED),
        ({"last_used_at": timezone.now()}, badges.USED),
        ({"expires_on": TODAY + timedelta(days=61)}, badges.SAVED),
        ({"expires_on": TODAY + timedelta(days=60)}, badges.EXPIRING),
        ({"expires_on": TODAY, "last_used_at": timezone.now()}, badges.EXPIRING),
        ({"expires_on": TODAY - timedelta(days=1)}, badges.EXPIRED),
        ({"last_failure": "card_declined", "last_used_at": timezone.now()}, badges.FAILED),
        ({"last_failure": "card_declined", "expires_on": TODAY - timedelta(days=1)}, badges.EXPIRED),
        ({"state": "invalid", "last_failure": "stolen_card"}, badges.INVALID),
        ({"kind": "us_bank_account"}, badges.SAVED),
        ({"kind": "us_bank_account", "last_used_at": timezone.now()}, badges.USED),
        ({"kind": "us_bank_account", "last_failure": "insufficient_funds"}, badges.ERROR),
        ({"kind": "us_bank_account", "state": "invalid"}, badges.INVALID),
    ],
)
def test_a_method_has_the_colour_of_its_state(method: dict[str, Any], mark: badges.StatusBadge) -> None:
    row = SavedMethod(**({"kind": "card", "state": "active"} | method))
    assert badges.get_method_badge(row, today=TODAY) == mark


def test_colours_are_those_that_the_product_names() -> None:
    assert [m.colour for m in (badges.NONE, badges.SAVED, badges.USED)] == ["white", "blue", "green"]
    assert [m.colour for m in (badges.EXPIRING, badges.ERROR)] == ["orange", "orange"]
    assert [m.colour for m in (badges.EXPIRED, badges.FAILED, badges.INVALID)] == ["red", "red", "red"]


def test_a_row_shows_the_method_that_most_needs_a_look(tenant: Tenant) -> None:
    access = tenant.access(EMAIL)
    create_saved_method(access, tenant=tenant, last_used_at=timezone.now())
    create_saved_method(access, tenant=tenant, expires_on=date(2001, 1, 31))
    create_saved_method(access, tenant=tenant, kind="us_bank_account")
    create_saved_method(access, tenant=tenant, state="removed", last_failure="stolen_card", kind="us_bank_account")
    page = get_list(tenant)
    assert 'aria-label="Card: Expired"' in page
    assert 'aria-label="Bank account: Saved, not used yet"' in page
    assert 'aria-label="Auto-Pay: None"' in page
    assert 'aria-label="Payer: Expired"' in page


def test_whose_method_it_is_decides_in_whose_row_it_shows(tenant: Tenant) -> None:
    owner = tenant.access(EMAIL)
    whole, own = tenant.access("b@harbourdental.example"), tenant.access("c@harbourdental.example", scope="own")
    elsewhere = tenant.access(EMAIL, company="Elsewhere Ltd")
    private, shared = (
        create_saved_method(owner, tenant=tenant),
        create_saved_method(owner, tenant=tenant, is_shared=True),
    )
    table = {a: [can_use_method(a, m) for m in (private, shared)] for a in (owner, whole, own, elsewhere)}
    assert table == {owner: [True, True], whole: [False, True], own: [False, False], elsewhere: [False, False]}


def test_a_payer_who_has_not_registered_is_marked_so(tenant: Tenant) -> None:
    invite(tenant)
    assert 'aria-label="Payer: Not registered yet"' in get_list(tenant)


# ---- the list --------------------------------------------------------------------------------------


def test_the_list_asks_the_database_the_same_seven_questions_however_long_it_is(tenant: Tenant) -> None:
    for number in range(60):
        access = tenant.access(f"p{number:02}@harbourdental.example", company=f"Company {number:02}")
        create_saved_method(access, tenant=tenant)
    get_list(tenant)  # what is noted of a session once a minute is noted here
    with CaptureQueriesContext(connection) as queries:
        page = get_list(tenant)
    assert len(queries) <= 7, [q["sql"] for q in queries]
    assert "Company 49" in page
    assert "Company 50" not in page
    assert "1–50 of 60" in page
    second = get_list(tenant, page="2")
    assert "51–60 of 60" in second
    for odd in ("0", "99", "-1", "x", "²", "9" * 30):
        assert "1–50 of 60" in get_list(tenant, page=odd)


@pytest.mark.parametrize("q", ["Harbour", "harbour DENTAL", "ada@", "Ada Payer"])
def test_the_search_looks_at_company_name_and_address(tenant: Tenant, q: str) -> None:
    tenant.access(EMAIL)
    User.objects.filter(email=EMAIL).update(name="Ada Payer")
    user = tenant.access("zoe@bluewren.example", company="Blue Wren Cafe").user
    User.objects.filter(pk=user.pk).update(name="Zoe")
    page = get_list(tenant, q=q)
    assert EMAIL in page
    assert "zoe@bluewren.example" not in page
    assert "Nothing matches" in get_list(tenant, q="%")


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ("", {"a", "b", "c", "d"}),
        ("expiring", {"a"}),
        ("expired", {"b"}),
        ("invalid", {"c"}),
        ("x", {"a", "b", "c", "d"}),
    ],
)
def test_filters_show_whose_methods_need_a_look(tenant: Tenant, chosen: str, expected: set[str]) -> None:
    soon, past = timezone.now().date() + timedelta(days=20), date(2001, 1, 31)
    methods: dict[str, dict[str, Any]] = {
        "a": {"expires_on": soon},
        "b": {"expires_on": past},
        "c": {"state": "invalid", "kind": "us_bank_account"},
        "d": {"last_used_at": timezone.now()},
    }
    for name, method in methods.items():
        create_saved_method(tenant.access(f"{name}@x.example", company=f"Company {name}"), tenant=tenant, **method)
    page = get_list(tenant, show=chosen)
    assert {name for name in "abcd" if f"{name}@x.example" in page} == expected


def test_a_shared_method_counts_for_whoever_may_use_it(tenant: Tenant) -> None:
    create_saved_method(tenant.access(EMAIL), tenant=tenant, expires_on=date(2001, 1, 31), is_shared=True)
    tenant.access("whole@harbourdental.example")
    tenant.access("own@harbourdental.example", scope="own")
    page = get_list(tenant, show="expired")
    assert "whole@harbourdental.example" in page
    assert "own@harbourdental.example" not in page


def test_removed_payers_and_other_merchants_payers_are_not_listed(tenant: Tenant, stranger: Tenant) -> None:
    tenant.access(EMAIL, state="removed")
    stranger.access("their@other.example", company="Their Company")
    page = get_list(tenant)
    assert "No payers yet" in page
    assert "Their Company" not in page


# ---- adding ----------------------------------------------------------------------------------------


def test_adding_a_payer_mails_the_welcome_and_lists_an_unmapped_company(tenant: Tenant) -> None:
    page = post_and_read(tenant.admin, tenant.url("payers/add"), VALID_FORM)
    assert "Welcome to Wise-Pay mail is on its way to bo@bluewren.example" in page
    access = PayerAccess.objects.get()
    assert (access.user.email, access.typed_name, access.state, access.scope) == (
        "bo@bluewren.example", "Bo Wren", "pending", "company",
    )  # fmt: skip
    assert (access.company.name, access.company.contact_id, access.invited_by) == ("Blue Wren Cafe", "", tenant.user)
    assert "Unmapped" in page
    assert [m["subject"] for m in list_mails(tenant, "bo@bluewren.example")] == ["Welcome to Wise-Pay"]
    assert AuditEntry.objects.get(action="payer.invited").subject == "bo@bluewren.example"


def test_a_payer_of_a_contact_is_stored_by_the_contacts_id_and_organisation(tenant: Tenant) -> None:
    answer = tenant.admin.post(tenant.url("payers/add"), VALID_FORM | {"contact_id": "c-77", "then": "edit"})
    access = PayerAccess.objects.get()
    assert answer["Location"] == tenant.url(f"payers/p/{access.user.reference}")
    company = access.company
    assert (company.contact_id, company.organisation_id) == ("c-77", tenant.connection.organisation_id)
    again = VALID_FORM | {"contact_id": "c-77", "q": "Called otherwise", "email": "second@bluewren.example"}
    tenant.admin.post(tenant.url("payers/add"), again)
    assert PayerAccess.objects.last().company == company  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "wrong",
    [{"q": ""}, {"q": "x" * 201}, {"email": "nobody"}, {"email": ""}, {"name": ""}, {"contact_id": "<script>"}],
)
def test_a_payer_that_makes_no_sense_is_not_added(tenant: Tenant, wrong: dict[str, str]) -> None:
    answer = tenant.admin.post(tenant.url("payers/add"), VALID_FORM | wrong)
    assert answer.status_code == 422
    assert not PayerAccess.objects.exists()
    assert not Payer.objects.exists()


def test_a_name_that_is_another_contact_is_refused_in_the_form(tenant: Tenant) -> None:
    tenant.admin.post(tenant.url("payers/add"), VALID_FORM | {"contact_id": "c-1"})
    answer = tenant.admin.post(
        tenant.url("payers/add"), VALID_FORM | {"contact_id": "c-2", "email": "z@bluewren.example"}
    )
    assert (answer.status_code, b"another contact" in answer.content) == (422, True)
    assert PayerAccess.objects.count() == 1


def test_adding_somebody_twice_mails_once_and_says_what_stands(tenant: Tenant) -> None:
    for _ in range(2):
        tenant.admin.post(tenant.url("payers/add"), VALID_FORM)
    assert (PayerAccess.objects.count(), len(list_mails(tenant, "bo@bluewren.example"))) == (1, 1)
    tenant.access(EMAIL)
    page = post_and_read(
        tenant.admin, tenant.url("payers/add"), VALID_FORM | {"email": EMAIL, "q": "Harbour Dental Pty Ltd"}
    )
    assert "has access to Harbour Dental Pty Ltd already" in page


# ---- one payer -------------------------------------------------------------------------------------


def test_a_payers_page_shows_their_companies_here_and_what_they_saved(tenant: Tenant, stranger: Tenant) -> None:
    access = tenant.access(EMAIL)
    method = create_saved_method(access, tenant=tenant)
    stranger.access(EMAIL, company="Their Company")
    page = tenant.admin.get(tenant.url(f"payers/p/{access.user.reference}")).content.decode()
    assert str(method) in page
    assert "Remove access" in page
    assert "Their Company" not in page


def test_a_payer_is_removed_only_when_nothing_of_theirs_is_in_use(tenant: Tenant, checkout: Checkout) -> None:
    access = tenant.access(EMAIL)
    path = tenant.url(f"payers/access/{access.reference}/remove")
    method = create_saved_method(access, tenant=tenant)
    page = tenant.admin.post(path)
    assert (page.status_code, f"{method} is removed." in page.content.decode()) == (409, True)
    SavedMethod.objects.filter(pk=method.pk).update(state="removed")
    checkout.pay()
    Attempt.objects.update(user=access.user, state="processing")
    assert "is being processed" in post_and_read(tenant.admin, path)
    access.refresh_from_db()
    assert access.state == "active"
    Attempt.objects.update(state="failed")
    assert "no longer has access" in post_and_read(tenant.admin, path)
    access.refresh_from_db()
    assert (access.state, AuditEntry.objects.filter(action="payer.removed").count()) == ("removed", 1)
    assert tenant.admin.post(path).status_code == 404
    assert tenant.admin.get(tenant.url(f"payers/p/{access.user.reference}")).status_code == 200


def test_a_removed_payer_sees_the_company_no_more(tenant: Tenant) -> None:
    client = tenant.payer(EMAIL)
    access = PayerAccess.objects.get()
    tenant.admin.post(tenant.url(f"payers/access/{access.reference}/remove"))
    assert client.get("/my/details").status_code == 200
    assert PayerAccess.objects.filter(user=access.user, state="active").count() == 0


def test_the_scope_is_changed_and_written_down(tenant: Tenant) -> None:
    access = tenant.access(EMAIL)
    path = tenant.url(f"payers/access/{access.reference}/scope")
    assert "Own payments only" in post_and_read(tenant.admin, path, {"scope": "own"})
    access.refresh_from_db()
    assert (access.scope, AuditEntry.objects.get(action="payer.scope_changed").subject) == ("own", EMAIL)
    assert "Choose what this payer may see" in post_and_read(tenant.admin, path, {"scope": "all"})


def test_the_welcome_mail_is_sent_again_until_it_is_too_often(tenant: Tenant) -> None:
    access = invite(tenant)
    path = tenant.url(f"payers/access/{access.reference}/welcome")
    older = get_welcome_link(tenant)
    assert "A new mail is on its way" in post_and_read(tenant.admin, path)
    assert get_welcome_link(tenant) != older
    for _ in range(4):
        tenant.admin.post(path)
    assert "Several mails went to this address" in post_and_read(tenant.admin, path)
    active = tenant.access("b@harbourdental.example")
    assert "already" in post_and_read(tenant.admin, tenant.url(f"payers/access/{active.reference}/welcome"))
    assert list_mails(tenant, "b@harbourdental.example") == []


def test_a_company_is_added_to_a_payer(tenant: Tenant) -> None:
    access = tenant.access(EMAIL)
    path = tenant.url(f"payers/p/{access.user.reference}/companies")
    post_and_read(tenant.admin, path, {"q": "Second Ltd", "contact_id": "c-5"})
    second = PayerAccess.objects.get(company__name="Second Ltd")
    assert (second.user, second.state, second.company.contact_id) == (access.user, "pending", "c-5")
    assert tenant.admin.post(path, {"q": ""}).status_code == 422


def test_a_company_is_renamed_and_keeps_everything_else(tenant: Tenant) -> None:
    access = tenant.access(EMAIL)
    tenant.company("Taken Ltd")
    path = tenant.url(f"payers/companies/{access.company.reference}/name")
    back = {"payer": access.user.reference}
    assert "is now called" in post_and_read(tenant.admin, path, back | {"name": "Harbour Dental Group"})
    assert "Another company is called" in post_and_read(tenant.admin, path, back | {"name": "taken LTD"})
    assert "needs a name" in post_and_read(tenant.admin, path, back | {"name": " "})
    assert PayerCompany.objects.get(pk=access.company.pk).name == "Harbour Dental Group"
    renamed = AuditEntry.objects.get(action="company.renamed")
    assert renamed.detail == "Name: Harbour Dental Pty Ltd → Harbour Dental Group"


# ---- mapping ---------------------------------------------------------------------------------------


def make_contacts(tenant: Tenant, *ids: str) -> None:
    """Contacts of the connected books, as the mirror has them."""
    for key in ids:
        LedgerContact.objects.create(
            merchant=tenant.merchant,
            organisation_id=tenant.connection.organisation_id,
            contact_id=key,
            name=f"Contact {key}",
            folded_name=f"contact {key}",
            is_active=True,
            read_at=timezone.now(),
        )


def test_companies_without_a_contact_are_listed_until_they_are_mapped(tenant: Tenant) -> None:
    company = tenant.company("Blue Wren Cafe")
    make_contacts(tenant, "c-1")
    path = tenant.url(f"payers/companies/{company.reference}/contact")
    assert "Blue Wren Cafe" in tenant.admin.get(tenant.url("payers/unmapped")).content.decode()
    refused = tenant.admin.post(path, {"contact_id": ""})
    assert (refused.status_code, "Choose a contact" in refused.content.decode()) == (422, True)
    post_and_read(tenant.admin, path, {"contact_id": "c-1"})
    assert "Every company is mapped" in tenant.admin.get(tenant.url("payers/unmapped")).content.decode()
    company.refresh_from_db()
    assert (company.contact_id, company.organisation_id) == ("c-1", tenant.connection.organisation_id)
    assert AuditEntry.objects.get(action="company.mapped").detail == "no contact → Contact c-1 (c-1)"


def test_a_company_mapped_in_another_organisation_is_unmapped_here(tenant: Tenant) -> None:
    PayerCompany.objects.filter(pk=tenant.company().pk).update(organisation_id="another", contact_id="c-1")
    assert "Harbour Dental" in tenant.admin.get(tenant.url("payers/unmapped")).content.decode()


def test_a_contact_serves_one_company(tenant: Tenant) -> None:
    one, two = tenant.company("One Ltd"), tenant.company("Two Ltd")
    make_contacts(tenant, "c-1")
    post_and_read(tenant.admin, tenant.url(f"payers/companies/{one.reference}/contact"), {"contact_id": "c-1"})
    answer = tenant.admin.post(tenant.url(f"payers/companies/{two.reference}/contact"), {"contact_id": "c-1"})
    assert (answer.status_code, "Another company is this contact already" in answer.content.decode()) == (422, True)
    assert PayerCompany.objects.get(pk=two.pk).contact_id == ""


def test_without_an_accounting_package_nothing_is_mapped(tenant: Tenant) -> None:
    tenant.merchant.connections.all().delete()
    company = tenant.company("Blue Wren Cafe")
    assert "No accounting package is connected" in tenant.admin.get(tenant.url("payers/unmapped")).content.decode()
    path = tenant.url(f"payers/companies/{company.reference}/contact")
    assert tenant.admin.post(path, {"contact_id": "c-1"}).status_code == 422
    tenant.admin.post(tenant.url("payers/add"), VALID_FORM | {"contact_id": "c-1"})
    assert not PayerCompany.objects.exclude(contact_id="").exists()
    assert PayerAccess.objects.count() == 1
