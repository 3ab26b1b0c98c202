"""What every ledger promises, over HTTP: whoever adds one to the table is tested here unasked."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from django.utils.module_loading import import_string

from accounting.ledgers import LEDGERS, open_ledger
from accounting.ledgers.words import (
    ContactOrder,
    DocumentOrder,
    Ledger,
    NoteFacts,
    NoteOrder,
    Parcel,
    PaymentOrder,
    RefundOrder,
    RemovalOrder,
    Written,
)
from accounting.models import AccountingSettings
from tests.accounting.mirror_stage import by_hand
from tests.people import House
from wisepay.errors import Disconnected, Rejected, Unavailable
from wisepay.money import Money

TODAY = date(2026, 11, 21)


def aud(amount: int) -> Money:
    return Money(amount, "AUD")


@dataclass
class Desk:
    """A merchant's books and orders for them."""

    house: House
    ledger: Ledger
    chosen: AccountingSettings

    def contact(self, name: str = "Harbour Dental") -> str:
        """A contact's id."""
        [made] = self.ledger.create_contacts([whom(name)], key=f"c-{name}"[:50])
        assert made.id, made.refusal
        return made.id

    def order(self, contact_id: str, number: str = "PF-1", amount: int = 62500, **changes: Any) -> DocumentOrder:
        """An invoice or a credit note."""
        words: dict[str, Any] = {
            "number": number,
            "contact_id": contact_id,
            "on": TODAY,
            "reference": "PF Q1-1",
            "description": "Prepayment",
            "amount": aud(amount),
            "account": self.chosen.prepayments_account,
            "tax_code": self.chosen.tax_code,
            "item": self.chosen.item,
        }
        return DocumentOrder(**(words | changes))

    def invoice(self, contact_id: str, number: str = "PF-1", amount: int = 62500) -> Written:
        """An invoice that is there."""
        [made] = self.ledger.create_invoices([self.order(contact_id, number, amount)], key=f"i-{number}")
        assert made.id, made.refusal
        return made

    def note(self, number: str = "PF_CR-1", contact_id: str = "") -> Written:
        """An approved credit note that is there."""
        whose = contact_id or self.contact(number)
        [made] = self.ledger.create_credit_notes([self.order(whose, number)], key=f"n-{number}")
        assert made.id, made.refusal
        return made

    def paid(self, invoice: Written, contact_id: str, amount: int = 62500, *, number: str = "") -> PaymentOrder:
        """Money for an invoice."""
        return PaymentOrder(
            number or invoice.number,
            invoice.number,
            TODAY,
            aud(amount),
            self.chosen.clearing_account,
            invoice_id=invoice.id,
            contact_id=contact_id,
        )

    def back(self, note: Written, contact_id: str, amount: int, number: str = "PF_RF-1") -> RefundOrder:
        """Money given back out of a credit note."""
        clearing = self.chosen.clearing_account
        return RefundOrder(number, note.number, note.id, TODAY, aud(amount), clearing, contact_id)

    def facts(self, number: str = "PF_CR-1") -> NoteFacts:
        """The one credit note."""
        [found] = self.ledger.read_credit_notes([number])
        return found

    def writes(self, since: int) -> int:
        """Calls that could change the books."""
        calls = self.house.world.journal(self.house.connection.provider)[since:]
        return len([e for e in calls if e["method"] != "GET" and not e["path"].endswith("/query")])

    def by_hand(self, act: str, **said: Any) -> None:
        """What somebody else does in the books."""
        by_hand(self.house, act, **said)

    def calls(self) -> int:
        """How many calls the package has seen."""
        return len(self.house.world.journal(self.house.connection.provider))


def whom(name: str, number: str = "") -> ContactOrder:
    return ContactOrder(number or f"no-{name}"[:50], name, "a@example.com", "", "AUD")


def on(note: Written, amount: int = 62500) -> NoteOrder:
    return NoteOrder(note.number, note.id, TODAY, aud(amount))


@pytest.fixture
def desk(any_house: House) -> Desk:
    """The merchant's books, whichever they are."""
    ledger = open_ledger(any_house.connection, lane="company", now=timezone.now())
    return Desk(any_house, ledger, AccountingSettings.objects.get(merchant=any_house.merchant))


@pytest.mark.parametrize("name", LEDGERS)
def test_what_is_known_without_opening_it_is_what_it_does(name: str) -> None:
    found = import_string(LEDGERS[name].path)
    assert (found.supports_drafts, found.needs_item) == (LEDGERS[name].supports_drafts, LEDGERS[name].needs_item)


def test_documents_are_made_and_found_again(desk: Desk) -> None:
    contact_id = desk.contact()
    invoice, note = desk.invoice(contact_id), desk.note(contact_id=contact_id)
    paid = desk.paid(invoice, contact_id)
    [payment] = desk.ledger.create_payments([paid], key="p")
    assert desk.ledger.find_invoices([desk.order(contact_id)]) == [Written("PF-1", id=invoice.id)]
    assert desk.ledger.find_credit_notes([desk.order(contact_id, "PF_CR-1")]) == [Written("PF_CR-1", id=note.id)]
    assert desk.ledger.find_payments([paid]) == [Written("PF-1", id=payment.id)]
    assert desk.ledger.find_contacts([whom("Harbour Dental", "other")]) == [Written("other", id=contact_id)]


def test_what_is_not_there_is_not_found(desk: Desk) -> None:
    contact_id = desk.contact()
    invoice = desk.invoice(contact_id)
    assert desk.ledger.find_invoices([desk.order(contact_id, "PF-2")]) == []
    assert desk.ledger.find_invoices([desk.order(contact_id, amount=1)]) == []
    assert desk.ledger.find_credit_notes([desk.order(contact_id)]) == []
    assert desk.ledger.find_payments([desk.paid(invoice, contact_id)]) == []
    assert desk.ledger.find_contacts([whom("Quote \" and ' and \\ slash")]) == []
    for find in ("find_invoices", "find_credit_notes", "find_payments", "find_contacts", "find_refunds"):
        assert getattr(desk.ledger, find)([]) == []


@pytest.mark.parametrize(
    "name",
    [
        'O\'Brien & Søn "North"',
        "Back\\slash\\' Ltd",
        "Colon: a subsidiary",
        "Tab\tand\nnew line",
        "L" * 140,
        "Émoji 🦷 Dental",
        "日本語株式会社",
        " spaces  inside and around ",
        "'",
    ],
)
def test_a_contact_of_any_name_is_made_once_and_found_by_it(desk: Desk, name: str) -> None:
    [made] = desk.ledger.create_contacts([whom(name, "abcdefgh2345mnpqrstu")], key="c")
    assert made.id, made.refusal
    assert desk.ledger.find_contacts([whom(name, "abcdefgh2345mnpqrstu")]) == [made]
    [again] = desk.ledger.create_contacts([whom(name, "abcdefgh2345mnpqrstu")], key="d")
    assert again.id == "" or again.id == made.id


def test_each_element_of_a_batch_is_judged_by_itself(desk: Desk) -> None:
    contact_id = desk.contact()
    bad: dict[str, Any] = {"account": "000", "item": "000" if desk.chosen.item else ""}
    orders = [desk.order(contact_id, "PF-1"), desk.order(contact_id, "PF-2", **bad), desk.order(contact_id, "PF-3")]
    good, refused, also_good = desk.ledger.create_invoices(orders, key="i")
    assert good.id
    assert also_good.id
    assert (refused.id, bool(refused.refusal)) == ("", True)


def test_amounts_keep_every_cent(desk: Desk) -> None:
    contact_id = desk.contact()
    for number, amount in (("PF-1", 1), ("PF-2", 10), ("PF-3", 99_999_999_99), ("PF-4", 123_456_789_01)):
        made = desk.invoice(contact_id, number, amount)
        assert desk.ledger.find_invoices([desk.order(contact_id, number, amount)]) == [made]
        assert desk.ledger.find_invoices([desk.order(contact_id, number, amount + 1)]) == []


def test_kinds_travel_together_where_the_ledger_says_so(desk: Desk) -> None:
    contact_id = desk.contact()
    before = desk.calls()
    parcels = [
        Parcel("create_invoices", [desk.order(contact_id, f"PF-{n}") for n in range(3)]),
        Parcel("create_credit_notes", [desk.order(contact_id, f"PF_CR-{n}") for n in range(2)]),
    ]
    made = desk.ledger.create_together(parcels, key="t")
    assert [w.number for w in made] == ["PF-0", "PF-1", "PF-2", "PF_CR-0", "PF_CR-1"]
    assert all(w.id for w in made)
    assert desk.calls() - before == (1 if desk.ledger.mixes_kinds else 2)


def test_lists_are_read_with_exact_rates(desk: Desk) -> None:
    accounts = {a.name: a for a in desk.ledger.read_accounts()}
    clearing, prepayments = accounts["Wise-Pay Clearing"], accounts["Wise-Pay Prepayments"]
    assert (clearing.takes_payments, prepayments.takes_payments) == (True, False)
    assert prepayments.holds_prepayments
    assert not accounts["Business Bank Account"].holds_prepayments
    assert not [name for name in accounts if name.startswith("Closed")]
    codes = {c.code: c.rate for c in desk.ledger.read_tax_codes()}
    assert codes[desk.chosen.tax_code] == 0
    assert Decimal(10) in codes.values()
    assert bool(desk.ledger.read_items()) == desk.ledger.needs_item


def test_a_dropped_answer_is_one_execution(desk: Desk) -> None:
    order = desk.order(desk.contact(), "PF_CR-1")
    before = desk.calls()
    with desk.house.world.faulty(desk.house.connection.provider, "drop_after"), pytest.raises(Unavailable) as caught:
        desk.ledger.create_credit_notes([order], key="n")
    assert caught.value.maybe_done
    assert desk.writes(before) == 1
    assert len(desk.ledger.find_credit_notes([order])) == 1


def test_a_silent_package_is_given_up_in_time(desk: Desk, settings: Any) -> None:
    settings.HTTP_TIMEOUT = (1, 0.5)
    began = time.monotonic()
    provider = desk.house.connection.provider
    with desk.house.world.faulty(provider, "timeout", seconds=10), pytest.raises(Unavailable):
        desk.ledger.read_contact_page(1, since=None)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 502}, {"status": 503}])
@pytest.mark.parametrize("kind", ["status", "html", "drop_before"])
def test_weather_is_unavailable(desk: Desk, kind: str, fault: dict[str, int]) -> None:
    order = desk.order(desk.contact())
    provider = desk.house.connection.provider
    with desk.house.world.faulty(provider, kind, times=1, **fault), pytest.raises(Unavailable) as caught:
        desk.ledger.create_invoices([order], key="i")
    assert caught.value.maybe_done
    assert desk.ledger.read_contact_page(1, since=None).rows


def test_html_with_a_good_status_is_no_answer(desk: Desk) -> None:
    order = desk.order(desk.contact())
    with desk.house.world.faulty(desk.house.connection.provider, "html", status=200), pytest.raises(Unavailable):
        desk.ledger.create_invoices([order], key="i")


def test_a_rate_limit_is_raised_at_once_with_its_pause(desk: Desk) -> None:
    order = desk.order(desk.contact())
    began, before = time.monotonic(), desk.calls()
    fault = {"status": 429, "headers": {"Retry-After": "37"}}
    provider = desk.house.connection.provider
    with desk.house.world.faulty(provider, "status", **fault), pytest.raises(Unavailable) as caught:
        desk.ledger.create_invoices([order], key="i")
    assert time.monotonic() - began < 2
    assert (caught.value.retry_after, caught.value.maybe_done) == (37, False)
    assert desk.writes(before) == 1
    with pytest.raises(Unavailable) as held:
        desk.ledger.create_invoices([order], key="j")
    assert not held.value.maybe_done
    assert desk.writes(before) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_refused_is_disconnected(desk: Desk, status: int) -> None:
    provider = desk.house.connection.provider
    with desk.house.world.faulty(provider, "status", status=status), pytest.raises(Disconnected):
        desk.ledger.read_contact_page(1, since=None)


def test_drafts_are_made_or_refused_in_a_sentence(desk: Desk) -> None:
    order = desk.order(desk.contact(), "PF_CR-1")
    if not desk.ledger.supports_drafts:
        with pytest.raises(Rejected, match="no drafts"):
            desk.ledger.create_draft_notes([order], key="d")
        return
    [made] = desk.ledger.create_draft_notes([order], key="d")
    assert desk.ledger.find_approved_notes([on(made)]) == []
    assert desk.ledger.approve_notes([on(made)], key="a") == [made]
    assert desk.ledger.find_approved_notes([on(made)]) == [made]


def test_an_untouched_note_is_voided_and_a_used_one_is_not(desk: Desk) -> None:
    whose = desk.contact()
    free, used = desk.note(contact_id=whose), desk.note("PF_CR-2", contact_id=whose)
    desk.ledger.create_refunds([desk.back(used, whose, 10000)], key="f")
    voided, refused = desk.ledger.void_notes([on(free), on(used)], key="v")
    assert voided == free
    assert (refused.id, bool(refused.refusal)) == ("", True)
    assert desk.ledger.find_voided_notes([on(free), on(used)]) == [free]
    assert desk.ledger.find_credit_notes([desk.order(whose, "PF_CR-1")]) == []
    assert not desk.facts("PF_CR-2").is_untouched


def test_a_note_that_a_person_voided_is_found_voided(desk: Desk) -> None:
    note = desk.note()
    assert desk.ledger.find_voided_notes([on(note)]) == []
    desk.by_hand("void", credit_note="PF_CR-1")
    assert desk.ledger.find_voided_notes([on(note)]) == [note]


def test_refunds_are_made_found_and_taken_back(desk: Desk) -> None:
    whose = desk.contact()
    note = desk.note(contact_id=whose)
    [first] = desk.ledger.create_refunds([desk.back(note, whose, 10000)], key="f")
    wanted = [desk.back(note, whose, 10000), desk.back(note, whose, 10000, "PF_RF-2")]
    assert desk.ledger.find_refunds(wanted) == [first]
    assert desk.ledger.find_refunds([desk.back(note, whose, 9999)]) == []
    seen = desk.facts()
    assert (seen.remaining, [r.reference for r in seen.refunds]) == (aud(52500), ["PF_RF-1"])
    [too_much] = desk.ledger.create_refunds([desk.back(note, whose, 52501, "PF_RF-2")], key="f2")
    assert too_much.refusal
    removal = RemovalOrder("PF_RF-1", first.id)
    assert desk.ledger.find_removed_payments([removal]) == []
    assert desk.ledger.remove_payments([removal], key="x") == [first]
    assert desk.ledger.find_removed_payments([removal]) == [Written("PF_RF-1", id=first.id)]
    assert desk.facts().remaining == aud(62500)
    assert desk.ledger.find_refunds([desk.back(note, whose, 10000)]) == []
    with pytest.raises(Rejected, match="already been deleted"):
        desk.ledger.remove_payments([removal], key="x2")


def test_a_fully_refunded_note_has_nothing_left(desk: Desk) -> None:
    whose = desk.contact()
    note = desk.note(contact_id=whose)
    desk.ledger.create_refunds([desk.back(note, whose, 62500)], key="f")
    assert (desk.facts().status, desk.facts().remaining) == ("applied", aud(0))


def test_a_payment_that_was_taken_back_is_not_found_and_can_be_made_again(desk: Desk) -> None:
    whose = desk.contact()
    invoice = desk.invoice(whose)
    [first] = desk.ledger.create_payments([desk.paid(invoice, whose)], key="p")
    desk.ledger.remove_payments([RemovalOrder("PF-1", first.id)], key="x")
    assert desk.ledger.find_payments([desk.paid(invoice, whose)]) == []
    again = desk.paid(invoice, whose, number="PF-1-2")
    [second] = desk.ledger.create_payments([again], key="p2")
    assert desk.ledger.find_payments([again]) == [second]
    assert desk.ledger.find_payments([desk.paid(invoice, whose)]) == []


def test_an_unpaid_invoice_takes_another_amount_and_a_paid_one_does_not(desk: Desk) -> None:
    whose = desk.contact()
    made = desk.invoice(whose)
    change = desk.order(whose, "PF-1-2", 125000, id=made.id)
    assert desk.ledger.find_changed_invoices([change]) == []
    assert desk.ledger.change_invoices([change], key="c") == [Written("PF-1-2", id=made.id)]
    assert desk.ledger.find_changed_invoices([change]) == [Written("PF-1-2", id=made.id)]
    assert desk.ledger.find_invoices([desk.order(whose, amount=125000)]) == [made]
    desk.ledger.create_payments([desk.paid(made, whose, 125000)], key="p")
    [refused] = desk.ledger.change_invoices([desk.order(whose, "PF-1-3", 1, id=made.id)], key="c2")
    assert refused.refusal


VERBS: dict[str, Callable[[Desk, Written, str], Any]] = {
    "void_notes": lambda desk, note, _: desk.ledger.void_notes([on(note)], key="k"),
    "create_refunds": lambda desk, note, whose: desk.ledger.create_refunds([desk.back(note, whose, 100)], key="k"),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_change_whose_answer_was_lost_is_found_done_or_done_once_more_to_the_same_end(desk: Desk, verb: str) -> None:
    whose = desk.contact()
    note = desk.note(contact_id=whose)
    provider, write = desk.house.connection.provider, "/batch" if desk.ledger.mixes_kinds else "/*"
    with desk.house.world.faulty(provider, "drop_after", path=f"*{write}", times=1), pytest.raises(Unavailable):
        VERBS[verb](desk, note, whose)
    if verb == "void_notes":
        assert desk.ledger.find_voided_notes([on(note)]) == [note]
        return
    order = desk.back(note, whose, 100)
    assert desk.ledger.find_refunds([order]) or desk.ledger.create_refunds([order], key="k2")[0].id
    assert desk.facts().remaining == aud(62400)
    assert len(desk.facts().refunds) == 1
