"""Payer Admin: the list and its marks, adding and removing payers, mapping companies, and who may do any of it."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from payers.models import Payer, PayerAccess, PayerCompany
from payments import payer_marks as marks
from payments.models import Attempt, SavedMethod
from tests.payers.desk import EMAIL, invite, link, mails
from tests.people import Checkout, House, numbers
from wisepay.models import AuditEntry, User

TODAY = date(2026, 11, 22)
GOOD = {"q": "Blue Wren Cafe", "contact_id": "", "email": "Bo@bluewren.example", "name": "Bo Wren", "then": "list"}


def saved(access: PayerAccess, *, house: House, kind: str = "card", state: str = "active", **more: Any) -> SavedMethod:
    """A method that the person saved."""
    at = timezone.now()
    number = next(numbers)
    return SavedMethod.objects.create(
        account=house.merchant.gateway_account,
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


def shown(house: House, client: Client | None = None, **query: str) -> str:
    """The list as text."""
    answer = (client or house.admin).get(house.url("payers/"), query)
    assert answer.status_code == 200
    return str(answer.content.decode())


def told(client: Client, path: str, fields: dict[str, str] | None = None) -> str:
    """Post, follow, and read the page that comes."""
    answer = client.post(path, fields or {}, follow=True)
    assert answer.status_code == 200, answer
    return str(answer.content.decode())


# ---- marks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "mark"),
    [
        ({}, marks.SAVED),
        ({"last_used_at": timezone.now()}, marks.USED),
        ({"expires_on": TODAY + timedelta(days=61)}, marks.SAVED),
        ({"expires_on": TODAY + timedelta(days=60)}, marks.EXPIRING),
        ({"expires_on": TODAY, "last_used_at": timezone.now()}, marks.EXPIRING),
        ({"expires_on": TODAY - timedelta(days=1)}, marks.EXPIRED),
        ({"last_failure": "card_declined", "last_used_at": timezone.now()}, marks.FAILED),
        ({"last_failure": "card_declined", "expires_on": TODAY - timedelta(days=1)}, marks.EXPIRED),
        ({"state": "invalid", "last_failure": "stolen_card"}, marks.INVALID),
        ({"kind": "us_bank_account"}, marks.SAVED),
        ({"kind": "us_bank_account", "last_used_at": timezone.now()}, marks.USED),
        ({"kind": "us_bank_account", "last_failure": "insufficient_funds"}, marks.ERROR),
        ({"kind": "us_bank_account", "state": "invalid"}, marks.INVALID),
    ],
)
def test_a_method_has_the_colour_of_its_state(method: dict[str, Any], mark: marks.Mark) -> None:
    row = SavedMethod(**({"kind": "card", "state": "active"} | method))
    assert marks.mark_of_method(row, today=TODAY) == mark


def test_colours_are_those_that_the_product_names() -> None:
    assert [m.colour for m in (marks.NONE, marks.SAVED, marks.USED)] == ["white", "blue", "green"]
    assert [m.colour for m in (marks.EXPIRING, marks.ERROR)] == ["orange", "orange"]
    assert [m.colour for m in (marks.EXPIRED, marks.FAILED, marks.INVALID)] == ["red", "red", "red"]


def test_a_row_shows_the_method_that_most_needs_a_look(house: House) -> None:
    access = house.access(EMAIL)
    saved(access, house=house, last_used_at=timezone.now())
    saved(access, house=house, expires_on=date(2001, 1, 31))
    saved(access, house=house, kind="us_bank_account")
    saved(access, house=house, state="removed", last_failure="stolen_card", kind="us_bank_account")
    page = shown(house)
    assert 'aria-label="Card: Expired"' in page
    assert 'aria-label="Bank account: Saved, not used yet"' in page
    assert 'aria-label="Auto-Pay: None"' in page
    assert 'aria-label="Payer: Expired"' in page


def test_whose_method_it_is_decides_in_whose_row_it_shows(house: House) -> None:
    owner = house.access(EMAIL)
    whole, own = house.access("b@harbourdental.example"), house.access("c@harbourdental.example", scope="own")
    elsewhere = house.access(EMAIL, company="Elsewhere Ltd")
    private, shared = saved(owner, house=house), saved(owner, house=house, is_shared=True)
    table = {a: [marks.may_use(a, m) for m in (private, shared)] for a in (owner, whole, own, elsewhere)}
    assert table == {owner: [True, True], whole: [False, True], own: [False, False], elsewhere: [False, False]}


def test_a_payer_who_has_not_registered_is_marked_so(house: House) -> None:
    invite(house)
    assert 'aria-label="Payer: Not registered yet"' in shown(house)


# ---- the list --------------------------------------------------------------------------------------


def test_the_list_asks_the_database_the_same_seven_questions_however_long_it_is(house: House) -> None:
    for number in range(60):
        access = house.access(f"p{number:02}@harbourdental.example", company=f"Company {number:02}")
        saved(access, house=house)
    with CaptureQueriesContext(connection) as queries:
        page = shown(house)
    assert len(queries) <= 7, [q["sql"] for q in queries]
    assert "Company 49" in page
    assert "Company 50" not in page
    assert "1–50 of 60" in page
    second = shown(house, page="2")
    assert "51–60 of 60" in second
    for odd in ("0", "99", "-1", "x", "²", "9" * 30):
        assert "1–50 of 60" in shown(house, page=odd)


@pytest.mark.parametrize("q", ["Harbour", "harbour DENTAL", "ada@", "Ada Payer"])
def test_the_search_looks_at_company_name_and_address(house: House, q: str) -> None:
    house.access(EMAIL)
    User.objects.filter(email=EMAIL).update(name="Ada Payer")
    user = house.access("zoe@bluewren.example", company="Blue Wren Cafe").user
    User.objects.filter(pk=user.pk).update(name="Zoe")
    page = shown(house, q=q)
    assert EMAIL in page
    assert "zoe@bluewren.example" not in page
    assert "Nothing matches" in shown(house, q="%")


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
def test_filters_show_whose_methods_need_a_look(house: House, chosen: str, expected: set[str]) -> None:
    soon, past = timezone.now().date() + timedelta(days=20), date(2001, 1, 31)
    methods: dict[str, dict[str, Any]] = {
        "a": {"expires_on": soon},
        "b": {"expires_on": past},
        "c": {"state": "invalid", "kind": "us_bank_account"},
        "d": {"last_used_at": timezone.now()},
    }
    for name, method in methods.items():
        saved(house.access(f"{name}@x.example", company=f"Company {name}"), house=house, **method)
    page = shown(house, show=chosen)
    assert {name for name in "abcd" if f"{name}@x.example" in page} == expected


def test_a_shared_method_counts_for_whoever_may_use_it(house: House) -> None:
    saved(house.access(EMAIL), house=house, expires_on=date(2001, 1, 31), is_shared=True)
    house.access("whole@harbourdental.example")
    house.access("own@harbourdental.example", scope="own")
    page = shown(house, show="expired")
    assert "whole@harbourdental.example" in page
    assert "own@harbourdental.example" not in page


def test_removed_payers_and_other_merchants_payers_are_not_listed(house: House, stranger: House) -> None:
    house.access(EMAIL, state="removed")
    stranger.access("their@other.example", company="Their Company")
    page = shown(house)
    assert "No payers yet" in page
    assert "Their Company" not in page


# ---- adding ----------------------------------------------------------------------------------------


def test_adding_a_payer_mails_the_welcome_and_lists_an_unmapped_company(house: House) -> None:
    page = told(house.admin, house.url("payers/add"), GOOD)
    assert "Welcome to Wise-Pay mail is on its way to bo@bluewren.example" in page
    access = PayerAccess.objects.get()
    assert (access.user.email, access.user.name, access.state, access.scope) == (
        "bo@bluewren.example", "Bo Wren", "pending", "company",
    )  # fmt: skip
    assert (access.company.name, access.company.contact_id, access.invited_by) == ("Blue Wren Cafe", "", house.user)
    assert "Unmapped" in page
    assert [m["subject"] for m in mails(house, "bo@bluewren.example")] == ["Welcome to Wise-Pay"]
    assert AuditEntry.objects.get(act="payer.invited").subject == "bo@bluewren.example"


def test_a_payer_of_a_contact_is_stored_by_the_contacts_id_and_organisation(house: House) -> None:
    answer = house.admin.post(house.url("payers/add"), GOOD | {"contact_id": "c-77", "then": "edit"})
    access = PayerAccess.objects.get()
    assert answer["Location"] == house.url(f"payers/p/{access.user.reference}")
    company = access.company
    assert (company.contact_id, company.organisation_id) == ("c-77", house.connection.organisation_id)
    again = GOOD | {"contact_id": "c-77", "q": "Called otherwise", "email": "second@bluewren.example"}
    house.admin.post(house.url("payers/add"), again)
    assert PayerAccess.objects.last().company == company  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "wrong",
    [{"q": ""}, {"q": "x" * 201}, {"email": "nobody"}, {"email": ""}, {"name": ""}, {"contact_id": "<script>"}],
)
def test_a_payer_that_makes_no_sense_is_not_added(house: House, wrong: dict[str, str]) -> None:
    answer = house.admin.post(house.url("payers/add"), GOOD | wrong)
    assert answer.status_code == 422
    assert not PayerAccess.objects.exists()
    assert not Payer.objects.exists()


def test_a_name_that_is_another_contact_is_refused_in_the_form(house: House) -> None:
    house.admin.post(house.url("payers/add"), GOOD | {"contact_id": "c-1"})
    answer = house.admin.post(house.url("payers/add"), GOOD | {"contact_id": "c-2", "email": "z@bluewren.example"})
    assert (answer.status_code, b"another contact" in answer.content) == (422, True)
    assert PayerAccess.objects.count() == 1


def test_adding_somebody_twice_mails_once_and_says_what_stands(house: House) -> None:
    for _ in range(2):
        house.admin.post(house.url("payers/add"), GOOD)
    assert (PayerAccess.objects.count(), len(mails(house, "bo@bluewren.example"))) == (1, 1)
    house.access(EMAIL)
    page = told(house.admin, house.url("payers/add"), GOOD | {"email": EMAIL, "q": "Harbour Dental Pty Ltd"})
    assert "has access to Harbour Dental Pty Ltd already" in page


# ---- one payer -------------------------------------------------------------------------------------


def test_a_payers_page_shows_their_companies_here_and_what_they_saved(house: House, stranger: House) -> None:
    access = house.access(EMAIL)
    method = saved(access, house=house)
    stranger.access(EMAIL, company="Their Company")
    page = house.admin.get(house.url(f"payers/p/{access.user.reference}")).content.decode()
    assert str(method) in page
    assert f"{method} is still saved." in page
    assert "Remove access" not in page
    assert "Their Company" not in page


def test_a_payer_is_removed_only_when_nothing_of_theirs_is_in_use(house: House, checkout: Checkout) -> None:
    access = house.access(EMAIL)
    path = house.url(f"payers/access/{access.reference}/remove")
    method = saved(access, house=house)
    assert f"{method} is still saved." in told(house.admin, path)
    SavedMethod.objects.filter(pk=method.pk).update(state="removed")
    checkout.pay()
    Attempt.objects.update(user=access.user, state="processing")
    assert "is being processed" in told(house.admin, path)
    access.refresh_from_db()
    assert access.state == "active"
    Attempt.objects.update(state="failed")
    assert "no longer has access" in told(house.admin, path)
    access.refresh_from_db()
    assert (access.state, AuditEntry.objects.filter(act="payer.removed").count()) == ("removed", 1)
    assert house.admin.post(path).status_code == 404
    assert house.admin.get(house.url(f"payers/p/{access.user.reference}")).status_code == 200


def test_a_removed_payer_sees_the_company_no_more(house: House) -> None:
    client = house.payer(EMAIL)
    access = PayerAccess.objects.get()
    house.admin.post(house.url(f"payers/access/{access.reference}/remove"))
    assert client.get("/my/details").status_code == 200
    assert PayerAccess.objects.filter(user=access.user, state="active").count() == 0


def test_the_scope_is_changed_and_written_down(house: House) -> None:
    access = house.access(EMAIL)
    path = house.url(f"payers/access/{access.reference}/scope")
    assert "Own payments only" in told(house.admin, path, {"scope": "own"})
    access.refresh_from_db()
    assert (access.scope, AuditEntry.objects.get(act="payer.scope_changed").subject) == ("own", EMAIL)
    assert "Choose what this payer may see" in told(house.admin, path, {"scope": "all"})


def test_the_welcome_mail_is_sent_again_until_it_is_too_often(house: House) -> None:
    access = invite(house)
    path = house.url(f"payers/access/{access.reference}/welcome")
    older = link(house)
    assert "A new mail is on its way" in told(house.admin, path)
    assert link(house) != older
    for _ in range(4):
        house.admin.post(path)
    assert "Several mails went to this address" in told(house.admin, path)
    active = house.access("b@harbourdental.example")
    assert "already" in told(house.admin, house.url(f"payers/access/{active.reference}/welcome"))
    assert mails(house, "b@harbourdental.example") == []


def test_a_company_is_added_to_a_payer(house: House) -> None:
    access = house.access(EMAIL)
    path = house.url(f"payers/p/{access.user.reference}/companies")
    told(house.admin, path, {"q": "Second Ltd", "contact_id": "c-5"})
    second = PayerAccess.objects.get(company__name="Second Ltd")
    assert (second.user, second.state, second.company.contact_id) == (access.user, "pending", "c-5")
    assert house.admin.post(path, {"q": ""}).status_code == 422


def test_a_company_is_renamed_and_keeps_everything_else(house: House) -> None:
    access = house.access(EMAIL)
    house.company("Taken Ltd")
    path = house.url(f"payers/companies/{access.company.reference}/name")
    back = {"payer": access.user.reference}
    assert "is now called" in told(house.admin, path, back | {"name": "Harbour Dental Group"})
    assert "Another company is called" in told(house.admin, path, back | {"name": "taken LTD"})
    assert "needs a name" in told(house.admin, path, back | {"name": " "})
    assert PayerCompany.objects.get(pk=access.company.pk).name == "Harbour Dental Group"
    assert AuditEntry.objects.get(act="company.renamed").detail == "was Harbour Dental Pty Ltd"


# ---- mapping ---------------------------------------------------------------------------------------


def test_companies_without_a_contact_are_listed_until_they_are_mapped(house: House) -> None:
    company = house.company("Blue Wren Cafe")
    path = house.url(f"payers/companies/{company.reference}/contact")
    assert "Blue Wren Cafe" in house.admin.get(house.url("payers/unmapped")).content.decode()
    assert "Choose a contact" in told(house.admin, path, {"contact_id": ""})
    page = told(house.admin, path, {"contact_id": "c-1"})
    assert "Every company is mapped" in page
    company.refresh_from_db()
    assert (company.contact_id, company.organisation_id) == ("c-1", house.connection.organisation_id)
    assert AuditEntry.objects.get(act="company.mapped").detail == "c-1"


def test_a_company_mapped_in_another_organisation_is_unmapped_here(house: House) -> None:
    PayerCompany.objects.filter(pk=house.company().pk).update(organisation_id="another", contact_id="c-1")
    assert "Harbour Dental" in house.admin.get(house.url("payers/unmapped")).content.decode()


def test_a_contact_serves_one_company(house: House) -> None:
    one, two = house.company("One Ltd"), house.company("Two Ltd")
    told(house.admin, house.url(f"payers/companies/{one.reference}/contact"), {"contact_id": "c-1"})
    page = told(house.admin, house.url(f"payers/companies/{two.reference}/contact"), {"contact_id": "c-1"})
    assert "Another company is this contact already" in page
    assert PayerCompany.objects.get(pk=two.pk).contact_id == ""


def test_without_an_accounting_package_nothing_is_mapped(house: House) -> None:
    house.merchant.connections.all().delete()
    company = house.company("Blue Wren Cafe")
    assert "No accounting package is connected" in house.admin.get(house.url("payers/unmapped")).content.decode()
    told(house.admin, house.url(f"payers/companies/{company.reference}/contact"), {"contact_id": "c-1"})
    house.admin.post(house.url("payers/add"), GOOD | {"contact_id": "c-1"})
    assert not PayerCompany.objects.exclude(contact_id="").exists()
    assert PayerAccess.objects.count() == 1
