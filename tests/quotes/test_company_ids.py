"""Companies are found by the ids of other systems before their names; what contradicts itself is shown, never merged.

Reports: msoukhomlinov/n8n-nodes-connectwise-cpq (customers repeat in every quote); ConnectWise PSA's developer guide
(companies are renamed and merged, `identifier` and id stay).
"""

import json
from typing import Any

import pytest

from payers.companies import record_payer_company
from payers.company_ids import list_open_mismatches, settle_mismatch
from payers.models import CompanyId, CompanyMismatch, PayerCompany
from payments.models import Payment
from tests.tenants import Tenant, give_role
from wisepay import clock

pytestmark = pytest.mark.django_db
HARBOUR, OTHER = "Harbour Dental Pty Ltd", "Seaview Optical"


def open_quote(tenant: Tenant, name: str = HARBOUR, **ids: Any) -> PayerCompany:
    """Open a checkout of a new quote of this customer; the company that it is for."""
    answer = tenant.post_checkout(customer={"account_name": name, **ids})
    assert answer.status_code == 201, answer.content
    return Payment.objects.select_related("company").get(quote__reference=json.loads(answer.content)["id"]).company


def list_mismatches(tenant: Tenant) -> list[tuple[str, str, str]]:
    """Name, company that was chosen, and the other one, of what waits for a person."""
    rows = [one.row for one in list_open_mismatches(tenant.merchant)]
    return [(row.name, str(row.company), str(row.other or "")) for row in rows]


@pytest.mark.parametrize("ids", [{"psa_company_id": 250}, {"id": "c-1"}, {"account_number": "HD-1"}])
def test_an_id_finds_the_company_that_was_renamed_and_says_so(shop: Tenant, ids: dict[str, Any]) -> None:
    first = open_quote(shop, **ids)
    assert open_quote(shop, "Harbour Dental Group", **ids) == first
    assert list_mismatches(shop) == [("Harbour Dental Group", HARBOUR, "")]
    assert open_quote(shop, "Harbour Dental Group", **ids) == first
    assert (PayerCompany.objects.count(), CompanyMismatch.objects.count()) == (1, 1)


def test_until_somebody_says_who_is_who_a_company_keeps_its_own_address(shop: Tenant) -> None:
    """Whoever has a company's address sees everything of it, so another customer's may not become it."""
    harbour = open_quote(shop, psa_company_id=250, email="a@harbour.example")
    assert open_quote(shop, OTHER, psa_company_id=250, email="b@seaview.example") == harbour
    assert PayerCompany.objects.get().email == "a@harbour.example"
    [mismatch] = list_open_mismatches(shop.merchant)
    settle_mismatch(mismatch.row, moves=False, by=shop.user, now=clock.now())
    open_quote(shop, OTHER, psa_company_id=250, email="b@seaview.example")
    assert PayerCompany.objects.get().email == "b@seaview.example"


def test_the_longest_name_and_number_are_one_company(shop: Tenant) -> None:
    first, second = (open_quote(shop, "N" * 200, account_number=digit * 64) for digit in "AB")
    assert (first != second, len(second.name) <= 200, second.name.endswith("B)")) == (True, True, True)


def test_a_known_name_learns_its_ids_and_keeps_them(shop: Tenant) -> None:
    first = open_quote(shop)
    assert open_quote(shop, psa_company_id="250", id="c-1", account_number="HD-1") == first
    assert {str(one) for one in CompanyId.objects.all()} == {"PSA 250", "CPQ c-1", "Account number HD-1"}
    assert list_mismatches(shop) == []


def test_an_id_and_a_name_of_two_companies_merge_neither(shop: Tenant) -> None:
    harbour, other = open_quote(shop, psa_company_id=250), open_quote(shop, OTHER)
    assert open_quote(shop, OTHER, psa_company_id=250) == harbour
    assert list_mismatches(shop) == [(OTHER, HARBOUR, OTHER)]
    assert set(PayerCompany.objects.values_list("name", flat=True)) == {HARBOUR, OTHER}
    assert not CompanyId.objects.filter(company=other).exists()


def test_two_companies_of_one_name_stay_two(shop: Tenant) -> None:
    first = open_quote(shop, psa_company_id=250)
    second = open_quote(shop, psa_company_id=251)
    assert (second.name, second == first) == (f"{HARBOUR} (PSA 251)", False)
    assert list_mismatches(shop) == [(HARBOUR, f"{HARBOUR} (PSA 251)", HARBOUR)]
    assert [open_quote(shop, psa_company_id=number) for number in (250, 251)] == [first, second]


def test_the_surest_id_decides_and_another_one_that_says_otherwise_is_shown(shop: Tenant) -> None:
    harbour, other = open_quote(shop, psa_company_id=250), open_quote(shop, OTHER, id="c-2", account_number="SO")
    assert open_quote(shop, psa_company_id=250, id="c-2") == harbour
    assert list_mismatches(shop) == [(HARBOUR, HARBOUR, OTHER)]
    assert CompanyId.objects.get(value="c-2").company == other


@pytest.mark.parametrize("nobody", ["0", "-1", "", 0, "00-00", "null", "N/A", "<none>", "undefined", "—"])
def test_what_names_nobody_is_nobody(shop: Tenant, nobody: Any) -> None:
    first = open_quote(shop, psa_company_id=nobody)
    assert open_quote(shop, OTHER, psa_company_id=nobody) != first
    assert not CompanyId.objects.exists()


def test_the_same_id_at_another_merchant_is_another_company(shop: Tenant, other_shop: Tenant) -> None:
    first, second = (open_quote(tenant, psa_company_id=250) for tenant in (shop, other_shop))
    assert (first.merchant, second.merchant) == (shop.merchant, other_shop.merchant)
    assert open_quote(other_shop, OTHER, psa_company_id=250) == second


@pytest.mark.parametrize(("moves", "owner"), [(False, HARBOUR), (True, OTHER)])
def test_a_person_says_who_is_who_and_what_was_opened_stays(shop: Tenant, moves: bool, owner: str) -> None:
    open_quote(shop, psa_company_id=250)
    open_quote(shop, OTHER)
    open_quote(shop, OTHER, psa_company_id=250)
    shop.admin.force_login(shop.user)
    give_role(shop.merchant, "user")
    assert (
        "Whoever has the right Manage payers can say which one it is."
        in shop.admin.get(shop.url("quotes/")).content.decode()
    )
    give_role(shop.merchant, "admin")
    [mismatch] = list_open_mismatches(shop.merchant)
    answer = shop.admin.post(
        shop.url(f"quotes/companies/{mismatch.row.reference}"), {"act": "move" if moves else "keep"}
    )
    assert answer.status_code == 302
    assert CompanyId.objects.get().company.name == owner
    assert (list_open_mismatches(shop.merchant), Payment.objects.filter(company__name=OTHER).count()) == ([], 1)
    assert not settle_mismatch(mismatch.row, moves=True, by=shop.user, now=clock.now())


@pytest.mark.parametrize(("moves", "owner"), [(False, HARBOUR), (True, OTHER)])
def test_an_id_that_contradicts_a_surer_one_goes_where_a_person_says(shop: Tenant, moves: bool, owner: str) -> None:
    open_quote(shop, psa_company_id=250)
    open_quote(shop, OTHER, id="c-2")
    open_quote(shop, psa_company_id=250, id="c-2")
    [mismatch] = list_open_mismatches(shop.merchant)
    shop.admin.force_login(shop.user)
    page = shop.admin.get(shop.url("quotes/")).content.decode()
    assert f"CPQ c-2, which is <strong>{OTHER}</strong> here. The quote is with {HARBOUR}" in page
    assert settle_mismatch(mismatch.row, moves=moves, by=shop.user, now=clock.now())
    assert CompanyId.objects.get(value="c-2").company.name == owner


def test_a_company_that_is_another_record_is_no_answer(shop: Tenant) -> None:
    for number in (250, 251):
        open_quote(shop, psa_company_id=number)
    [mismatch] = list_open_mismatches(shop.merchant)
    shop.admin.force_login(shop.user)
    path = shop.url(f"quotes/companies/{mismatch.row.reference}")
    answer = shop.admin.post(path, {"act": "move"}, follow=True).content.decode()
    assert f"{HARBOUR} is PSA 250 already" in answer
    assert CompanyId.objects.get(value="251").company.name == f"{HARBOUR} (PSA 251)"
    assert shop.admin.post(path, {"act": "keep"}).status_code == 302
    assert list_open_mismatches(shop.merchant) == []


def test_without_ids_a_company_is_found_by_its_name_as_ever(shop: Tenant) -> None:
    first = record_payer_company(shop.merchant, name=HARBOUR, email="a@example.com")
    assert record_payer_company(shop.merchant, name="HARBOUR  dental pty ltd", email="b@example.com") == first
