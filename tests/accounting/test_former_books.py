"""Changing to another company and back: nothing goes into the wrong books, nothing is stuck, nothing forgotten."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from accounting.crediting_reading import open_credits
from accounting.desks import LEFT
from accounting.drain import UNCLEAR
from accounting.guards import open_notes
from accounting.hand_tasks import finish_by_hand
from accounting.handlers import drain_postings, read_mirror
from accounting.ledgers import open_ledger
from accounting.mirror_orders import arm_due
from accounting.models import HandTask, MirrorCursor, Posting
from accounting.outcomes import MAP_IT
from accounting.promises import post_debit
from accounting.tasks import sweep_postings
from connections.checks import due_checks
from connections.models import Connection
from payers.companies import Contact, map_company, rename_company
from payers.models import PayerCompany
from sandbox.launch import Running
from tests.accounting.debits import CARD, Attempted, submit, try_to_pay
from tests.accounting.test_ledger_contract import whom
from tests.people import House, build_house, change_company
from wisepay.models import OutboxMessage

Drain = Callable[..., int]


@pytest.fixture(params=["xero", "quickbooks"])
def house(request: pytest.FixtureRequest, db: None, world: Running) -> House:
    """A merchant with its books in an Australian company of either package."""
    return build_house(world, provider=request.param)


def move(house: House, organisation: str) -> None:
    """Change to this company of the same package."""
    change_company(house, provider=house.connection.provider, organisation=organisation)


def pay(house: House, currency: str = "AUD") -> Attempted:
    """A quote, paid by card."""
    paid = try_to_pay(house, house.open_checkout(quote={"currency": currency}).payment, CARD)
    paid.settle()
    return paid


def contact_called(house: House, name: str) -> str:
    """A new contact of the books, by its id."""
    ledger = open_ledger(house.connection, lane="company", now=timezone.now())
    [made] = ledger.create_contacts([whom(name)], key=name)
    return made.id


def waiting(house: House) -> dict[str, str]:
    """The error of each posting that is not over, by kind."""
    rows = Posting.objects.filter(merchant=house.merchant).exclude(state__in=Posting.OVER)
    return dict(rows.values_list("kind", "error"))


def calls(house: House) -> int:
    """How often the package was called."""
    return len(house.world.journal(house.connection.provider, bodies=False))


def test_what_undoes_documents_of_the_former_books_waits_for_them(house: House, drain: Drain) -> None:
    paid, name = pay(house), house.connection.organisation_name
    drain()
    move(house, "nz")
    drain()
    before = calls(house)
    paid.reverse()
    drain()
    assert calls(house) == before, "ids of one company are other documents in the next, or none"
    assert waiting(house) == {"void": LEFT, "payment_removal": LEFT}
    titles = list(HandTask.objects.filter(state="open").values_list("title", flat=True))
    assert len(titles) == 2
    assert all("former books" in title for title in titles)
    assert all(any(name in step for step in task.steps) for task in HandTask.objects.all())
    assert titles[0].encode() in house.admin.get(house.url("postings/")).content.replace(b"&quot;", b'"')
    other = pay(house, "NZD")
    drain()
    assert set(other.states.values()) == {"posted"}, "the rest goes on"
    move(house, "au")
    drain()
    assert waiting(house) == {}
    assert paid.note.state == "voided"
    assert not HandTask.objects.filter(state="open").exists()
    assert not OutboxMessage.objects.filter(state="dead").exists()


def test_what_a_person_did_in_the_former_books_is_not_done_again(house: House, drain: Drain) -> None:
    paid = pay(house)
    drain()
    move(house, "nz")
    paid.reverse()
    drain()
    for task in HandTask.objects.filter(state="open"):
        assert finish_by_hand(task, by=house.user, now=timezone.now())
    assert waiting(house) == {}
    move(house, "au")
    drain()
    before = calls(house)
    drain()
    assert calls(house) == before
    assert paid.note.state == "approved", "the books say later what became of it"


def test_a_refund_of_credit_in_the_former_books_is_for_a_person(house: House, drain: Drain) -> None:
    paid = pay(house)
    drain()
    move(house, "nz")
    paid.refund(10000)
    drain()
    assert waiting(house) == {"refund": LEFT}
    assert any("100.00" in step for step in HandTask.objects.get().steps)


def test_a_company_is_again_the_contact_that_it_was(house: House, drain: Drain) -> None:
    first = pay(house)
    drain()
    company = PayerCompany.objects.get()
    contact = company.contact_id
    move(house, "nz")
    pay(house, "NZD")
    drain()
    company.refresh_from_db()
    assert company.contact_id != contact or house.connection.provider == "quickbooks"
    move(house, "au")
    again = pay(house)
    drain()
    company.refresh_from_db()
    assert (company.organisation_id, company.contact_id) == (house.connection.organisation_id, contact)
    assert set(again.states.values()) == {"posted"}
    assert set(first.states.values()) == {"posted"}
    assert Posting.objects.filter(kind="contact").count() == 2


def test_a_mapping_by_hand_is_known_again_without_a_payment(house: House, drain: Drain) -> None:
    pay(house)
    drain()
    company = PayerCompany.objects.get()
    au = house.connection.organisation_id
    map_company(company, contact=Contact(au, "4711"))
    move(house, "nz")
    pay(house, "NZD")
    drain()
    move(house, "au")
    drain()
    company.refresh_from_db()
    assert (company.organisation_id, company.contact_id) == (au, "4711")


def test_an_answer_that_was_lost_in_the_former_books_is_looked_for_there(house: House, drain: Drain) -> None:
    drain()
    paid = pay(house)
    drain()
    package = house.connection.provider
    second = pay(house)
    house.world.fault(package, "drop_after", method="PUT" if package == "xero" else "POST", path="*/[CIb]*", times=1)
    drain()
    lost = set(Posting.objects.filter(state="sent").values_list("pk", flat=True))
    assert lost
    move(house, "nz")
    drain()
    assert set(Posting.objects.filter(state="sent", error=LEFT).values_list("pk", flat=True)) == lost
    assert HandTask.objects.filter(state="open", posting__in=lost).count() == len(lost)
    assert any("on its way" in step for task in HandTask.objects.all() for step in task.steps)
    move(house, "au")
    drain()
    assert set(Posting.objects.filter(pk__in=lost).values_list("state", "error")) == {("posted", "")}
    assert set(paid.states.values()) == {"posted"}
    assert second.states["invoice"] == "posted"


def test_a_draft_left_behind_is_made_anew_as_what_became_of_it(db: None, world: Running, drain: Drain) -> None:
    house = build_house(world)
    drain()
    settled, failed = submit(house), submit(house)
    drain()
    assert (settled.note.state, failed.note.state) == ("draft", "draft")
    move(house, "nz")
    settled.settle()
    failed.fail()
    drain()
    assert waiting(house) == {}
    assert settled.note.state == "approved"
    assert {"invoice", "credit_note", "payment"} <= {k for k, state in settled.states.items() if state == "posted"}
    assert failed.note.state == "removed"
    assert not HandTask.objects.exists()


def test_work_that_asks_nothing_says_nothing_of_the_connection(house: House, drain: Drain) -> None:
    pay(house)
    drain()
    move(house, "nz")
    drain()
    move(house, "au")
    drain()
    arm_due(now=timezone.now())
    here, long_ago = house.connection.organisation_id, timezone.now() - timedelta(minutes=10)
    MirrorCursor.objects.exclude(organisation_id=here).update(due_at=long_ago)
    MirrorCursor.objects.filter(organisation_id=here).update(due_at=timezone.now() + timedelta(hours=1))
    assert arm_due(now=timezone.now()) == 0, "nobody reads the former company's books"
    Connection.objects.update(succeeded_at=long_ago)
    before = calls(house)
    read_mirror(merchant_id=house.merchant.pk, now=timezone.now())
    Posting.objects.filter(kind="payment").update(state="pending", error=LEFT, company=PayerCompany.objects.get())
    Posting.objects.filter(kind="invoice").update(sent_to="elsewhere")
    drain_postings(merchant_id=house.merchant.pk, now=timezone.now())
    assert calls(house) == before
    assert house.connection.succeeded_at == long_ago
    assert due_checks(now=timezone.now()) == [house.connection.pk]


def test_books_that_refuse_to_tell_stop_nothing_else(db: None, world: Running, drain: Drain) -> None:
    house = build_house(world)
    pay(house)
    drain()
    Posting.objects.filter(kind="invoice").update(state="sent")
    with world.faulty("xero", "status", method="GET", status=400, body={"Message": "No such thing"}, times=None):
        other = pay(house)
        drain()
        assert set(other.states.values()) == {"posted"}
        assert waiting(house) == {"invoice": f"{UNCLEAR} No such thing"}
        assert UNCLEAR.encode() in house.admin.get(house.url("postings/")).content
    sweep_postings()
    drain()
    assert waiting(house) == {}
    assert not OutboxMessage.objects.filter(state="dead").exists()


def test_a_contact_that_another_company_is_already_is_for_a_person(house: House, drain: Drain) -> None:
    pay(house)
    drain()
    first = PayerCompany.objects.get()
    rename_company(first, name="Somebody Else")
    twin = house.company("Harbour Dental Pty Ltd")
    paid = try_to_pay(house, house.open_checkout().payment, CARD)
    paid.settle()
    assert paid.payment.company == twin
    drain()
    assert waiting(house)["contact"].endswith(MAP_IT)
    assert not OutboxMessage.objects.filter(state="dead").exists()
    map_company(twin, contact=Contact(house.connection.organisation_id, contact_called(house, "The Twin")))
    sweep_postings()
    drain()
    assert waiting(house) == {}


def test_credit_in_the_former_books_is_put_to_no_invoice_of_these(house: House, drain: Drain) -> None:
    pay(house)
    drain()
    company = PayerCompany.objects.get()
    assert len(open_credits(company)[1]) == len(open_notes({company.pk})) == 1
    move(house, "nz")
    pay(house, "NZD")
    drain()
    company.refresh_from_db()
    assert [credit.amount.currency for credit in open_credits(company)[1]] == ["NZD"]
    assert [left.currency for _, _, left, _ in open_notes({company.pk})] == ["NZD"]
    move(house, "au")
    drain()
    company.refresh_from_db()
    assert [credit.amount.currency for credit in open_credits(company)[1]] == ["AUD"]


def test_documents_of_one_payment_stay_together(house: House, drain: Drain) -> None:
    pay(house)
    drain()
    second = pay(house)
    drain()
    Posting.objects.filter(attempt=second.attempt, kind__in=["credit_note", "payment"]).update(state="pending")
    move(house, "nz")
    drain()
    assert waiting(house) == {"credit_note": LEFT, "payment": LEFT}, "the PF invoice is in the former books"
    before = calls(house)
    drain()
    assert calls(house) == before


def test_a_debit_that_pays_again_what_stands_in_the_former_books_leaves_no_draft(
    db: None, world: Running, drain: Drain
) -> None:
    house = build_house(world)
    paid = pay(house)
    drain()
    move(house, "nz")
    paid.reverse()
    again = try_to_pay(house, paid.payment)
    again.say("processing")
    post_debit(again.attempt, now=timezone.now())
    drain()
    assert again.states == {"draft_note": "cancelled"}
    again.settle()
    drain()
    assert {kind for kind, error in waiting(house).items() if error == LEFT} == set(waiting(house)) >= {"credit_note"}
