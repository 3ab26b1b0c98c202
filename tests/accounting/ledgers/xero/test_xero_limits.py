"""What Xero refuses, ignores or bills although the documentation of a client would not tell: each at its source."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounting.ledgers.orders import AllocationOrder
from accounting.ledgers.protocol import WriteResult
from accounting.ledgers.xero.client import LONGEST_QUERY
from accounting.models import Posting
from connections.verification import verify_connection
from tests.accounting.ledgers.ledger_case import TODAY, LedgerCase, aud, build_contact_order
from tests.accounting.mirror.ledger_actions import make_invoice, poll_everything
from tests.tenants import Tenant, connect_xero, deliver_outbox
from wisepay.errors import Rejected
from wisepay.money import Money

pytestmark = pytest.mark.parametrize("any_tenant", ["xero"], indirect=True)


def list_queries(case: LedgerCase, since: int) -> list[str]:
    """The queries that were sent since, as they were sent."""
    return [urlsplit(call["url"]).query for call in case.tenant.world.journal("xero")[since:]]


@pytest.mark.parametrize("count", [1, 33, 50])
def test_no_query_is_longer_than_xero_takes(ledger_case: LedgerCase, count: int) -> None:
    """Near 2,048 characters the answer is 404: xero-node#404, Xero-Java#331."""
    contact_id = ledger_case.create_contact()
    numbers = [f"PF_CR-{n:012}" for n in range(count)]
    orders = [ledger_case.build_document_order(contact_id, number) for number in numbers]
    made = ledger_case.ledger.create_credit_notes(orders, key="n")
    before = ledger_case.count_calls()
    assert {note.number for note in ledger_case.ledger.read_credit_notes_by_number(numbers)} == set(numbers)
    found = ledger_case.ledger.read_credit_notes_by_id([result.id for result in made])
    assert {note.id for note in found.rows} == {result.id for result in made}
    assert len(ledger_case.ledger.find_credit_notes(orders)) == count
    invoices = [ledger_case.build_document_order(contact_id, f"PF-{n:012}{'A' * 40}") for n in range(count)]
    ledger_case.ledger.create_invoices(invoices, key="i")
    assert len(ledger_case.ledger.find_invoices(invoices)) == count
    assert max(len(query) for query in list_queries(ledger_case, before)) <= LONGEST_QUERY


def test_an_organisation_of_very_high_volume_is_asked_one_after_the_other(ledger_case: LedgerCase) -> None:
    """Error 51 for a filter with OR: xero-python#148, Xero-NetStandard#604."""
    contact_id = ledger_case.create_contact()
    numbers = [f"PF_CR-{n}" for n in range(4)]
    made = ledger_case.ledger.create_credit_notes(
        [ledger_case.build_document_order(contact_id, number) for number in numbers], key="n"
    )
    ledger_case.tenant.world.config(xero_high_volume=True)
    assert len(ledger_case.ledger.read_credit_notes_by_number(numbers)) == 4
    assert len(ledger_case.ledger.read_credit_notes_by_id([result.id for result in made]).rows) == 4
    order = build_contact_order("Harbour Dental", "another")
    assert ledger_case.ledger.find_contacts([order]) == [WriteResult("another", id=contact_id)]


@pytest.mark.parametrize("name", ['The "Best" Dental', 'Back\\slash "Ltd"', '"Quoted"', "Back\\slash"])
def test_a_name_that_no_filter_can_hold_finds_its_contact(ledger_case: LedgerCase, name: str) -> None:
    """A quote in a filter is a syntax error however it is escaped: Xero-Java#347, xeroizer#160."""
    contact_id = ledger_case.create_contact(name)
    ledger_case.create_contact(f"{name} of elsewhere")
    [found] = ledger_case.ledger.find_contacts([build_contact_order(name, "number-of-ours")])
    assert found.id == contact_id


def test_what_changed_since_is_asked_in_the_documented_form(ledger_case: LedgerCase) -> None:
    """Other forms are ignored, and everything is read each time: xero-node#272, NangoHQ/integration-templates#451."""
    ledger_case.create_contact()
    ledger_case.tenant.world.config(xero_strict_times=True)
    since = datetime(2040, 1, 1, 9, 30, 15, 123_456, tzinfo=UTC)
    assert ledger_case.ledger.read_contact_page(1, since=since).rows == ()
    call = ledger_case.tenant.world.journal("xero")[-1]
    assert call["request_headers"]["If-Modified-Since"] == "2040-01-01T09:30:15"


def test_flags_are_written_in_lower_case_and_answers_asked_compressed(ledger_case: LedgerCase) -> None:
    """`summarizeErrors=False` is no boolean of the contract; bytes are billed since March 2026."""
    contact_id = ledger_case.create_contact()
    ledger_case.create_invoice(contact_id)
    ledger_case.ledger.read_contact_page(1, since=None)
    for call in ledger_case.tenant.world.journal("xero")[-3:]:
        query = parse_qs(urlsplit(call["url"]).query)
        flags = [
            value for name in ("summarizeErrors", "summaryOnly", "includeArchived") for value in query.get(name, [])
        ]
        assert set(flags) <= {"true", "false"}
        assert call["request_headers"]["Accept-Encoding"] == "gzip"
        assert call["sent_bytes"] < len(call["response_body"]) + 40


@pytest.mark.parametrize("form", ["nameless", "bare"])
def test_an_allocation_whose_answer_names_no_id_is_read(ledger_case: LedgerCase, form: str) -> None:
    """As in the contract's own example of the answer to a new allocation."""
    contact_id = ledger_case.create_contact()
    invoice, note = ledger_case.create_invoice(contact_id), ledger_case.create_credit_note(contact_id=contact_id)
    ledger_case.tenant.world.config(xero_allocation_answers=form)
    order = AllocationOrder("PF_AL-1", note.number, note.id, invoice.id, TODAY, aud(100), contact_id)
    [made] = ledger_case.ledger.create_allocations([order], key="a")
    assert made.id
    assert ledger_case.ledger.find_allocations([order]) == [made]


def test_whole_nested_contacts_change_nothing(ledger_case: LedgerCase) -> None:
    ledger_case.tenant.world.config(xero_whole_contacts=True)
    contact_id = ledger_case.create_contact()
    invoice = ledger_case.create_invoice(contact_id)
    [row] = ledger_case.ledger.read_invoices([invoice.id]).rows
    assert row.contact_id == contact_id


def test_a_bill_with_our_number_is_not_our_invoice(ledger_case: LedgerCase) -> None:
    """Numbers of bills are the supplier's: Xero's documentation of Invoices."""
    contact_id = ledger_case.create_contact()
    order = ledger_case.build_document_order(contact_id, "PF-7")
    field = "Invoices.0.Type"
    ledger_case.create_invoice(contact_id, "PF-7")
    with ledger_case.tenant.world.inject_fault("xero", "mutate", path="/Invoices", field=field, value="ACCPAY"):
        assert ledger_case.ledger.find_invoices([order]) == []


def test_a_put_that_would_change_a_contact_is_preceded_by_a_look(any_tenant: Tenant) -> None:
    """PUT of a name that exists changed the contact: xero-php-oauth2#191. What the mirror knows is looked for first."""
    deliver_outbox()
    make_invoice(any_tenant, "INV-1", contact="Harbour Dental Pty Ltd")
    poll_everything()
    any_tenant.world.config(xero_put_overwrites=True)
    any_tenant.open_checkout().pay()
    deliver_outbox()
    assert set(Posting.objects.values_list("state", flat=True)) == {"posted"}
    writes = [call["path"] for call in any_tenant.world.journal("xero") if call["method"] == "PUT"]
    assert "/Contacts" not in writes


def test_tenants_that_are_no_organisations_are_left_out(any_tenant: Tenant) -> None:
    """An accountant's practice is a tenant too, and need not have a name: developer.xero.com, Connections."""
    others: list[Any] = [{"id": "1", "tenantId": "2", "tenantType": "PRACTICE"}, {"tenantType": None}, 7, None]
    any_tenant.world.config(xero_other_tenants=others)
    assert verify_connection(any_tenant.connection, now=timezone.now() + timedelta(minutes=1))


@pytest.mark.parametrize("kind", ["granular", "broad"])
def test_an_app_with_older_scopes_connects_and_posts(any_tenant: Tenant, settings: Settings, kind: str) -> None:
    """The broad scopes live until September 2027: developer.xero.com, scopes."""
    settings.XERO_SCOPES = kind
    connect_xero(any_tenant.merchant, any_tenant.user, organisation="au")
    any_tenant.open_checkout().pay()
    deliver_outbox()
    assert set(Posting.objects.values_list("state", flat=True)) == {"posted"}


def test_what_the_library_does_not_take_is_refused_in_words(ledger_case: LedgerCase) -> None:
    """Its models know only the currencies of their day; the posting is refused, and the others go on."""
    order = ledger_case.build_document_order(ledger_case.create_contact())
    order = replace(order, amount=Money(100, "ZZZ"))
    with pytest.raises(Rejected, match="Xero takes no such value"):
        ledger_case.ledger.create_invoices([order], key="i")
