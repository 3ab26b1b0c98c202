"""What the books tell payers: the numbers of their credit notes, and nobody else's."""

from collections.abc import Callable

import pytest

from accounting.models import CreditNote
from payers.models import PayerAccess
from tests.payments.portal_stage import HX, OWN, Person, company, person
from tests.people import Checkout, House


@pytest.fixture
def bought(house: House, checkout: Checkout, drain: Callable[..., int]) -> Checkout:
    """Paid by card, with its documents in the practice books."""
    checkout.pay()
    drain()
    return checkout


@pytest.fixture
def ada(bought: Checkout) -> Person:
    found = person("ada@harbourdental.example")
    found.access(bought.payment.company)
    return found


def numbers_path(bought: Checkout) -> str:
    """Where the list asks for its credit notes."""
    return f"/my/credit-notes?of={bought.attempts[0].reference}"


def test_a_paid_row_is_given_the_number_of_its_credit_note(ada: Person, bought: Checkout) -> None:
    note = CreditNote.objects.get()
    assert numbers_path(bought) in ada.widget("past")
    part = ada.get(numbers_path(bought), **HX)
    assert f'id="note-{bought.attempts[0].reference}"' in part
    assert note.number in part


def test_one_payment_lists_its_documents_and_what_is_left(ada: Person, bought: Checkout) -> None:
    note = CreditNote.objects.get()
    path = f"/my/payments/{bought.payment.reference}/documents"
    assert path in ada.get(f"/my/payments/{bought.payment.reference}")
    CreditNote.objects.update(remaining=100)
    page = ada.get(path, **HX)
    for words in (note.number, "A$625.00", "open credit", "A$1.00 left"):
        assert words in page
    assert "<html" in ada.get(path)


def test_what_the_books_do_not_hold_is_not_told(ada: Person, bought: Checkout) -> None:
    CreditNote.objects.update(state="pending")
    assert "PF_CR" not in ada.get(numbers_path(bought))
    assert "hold no credit note" in ada.get(f"/my/payments/{bought.payment.reference}/documents")


def test_strangers_and_removed_people_are_told_nothing(ada: Person, bought: Checkout, stranger: House) -> None:
    other = person("other@example.com")
    other.access(company(stranger, "Elsewhere"))
    other.access(bought.payment.company, OWN)
    for who in (other, ada):
        if who is ada:
            PayerAccess.objects.filter(user=ada.user).update(state="removed")
        assert "PF_CR" not in who.get(numbers_path(bought))
        assert who.client.get(f"/my/payments/{bought.payment.reference}/documents").status_code == 404
    assert stranger.admin.get(numbers_path(bought)).status_code == 404


@pytest.mark.parametrize("of", ["", ",,,", "x" * 5000, "a\0b", "é"])
def test_bad_lists_of_attempts_are_empty_ones(ada: Person, of: str) -> None:
    assert "note-" not in ada.client.get("/my/credit-notes", {"of": of}).content.decode()
