"""Document views: payers see the numbers of their own credit notes only."""

from collections.abc import Callable

import pytest

from accounting.models import CreditNote
from payers.models import PayerAccess
from tests.payments.portal.factories import HTMX_HEADERS, OWN_PAYMENTS, PortalPayer, create_company, create_payer
from tests.tenants import Checkout, Tenant


@pytest.fixture
def paid_checkout(tenant: Tenant, checkout: Checkout, deliver: Callable[..., int]) -> Checkout:
    """Paid by card, with its documents in the practice ledger."""
    checkout.pay()
    deliver()
    return checkout


@pytest.fixture
def ada(paid_checkout: Checkout) -> PortalPayer:
    found = create_payer("ada@harbourdental.example")
    found.give_access(paid_checkout.payment.company)
    return found


def build_numbers_path(paid_checkout: Checkout) -> str:
    """Where the list asks for its credit notes."""
    return f"/my/credit-notes?of={paid_checkout.attempts[0].reference}"


def test_a_paid_row_is_given_the_number_of_its_credit_note(ada: PortalPayer, paid_checkout: Checkout) -> None:
    note = CreditNote.objects.get()
    assert build_numbers_path(paid_checkout) in ada.get_widget("past")
    part = ada.get(build_numbers_path(paid_checkout), **HTMX_HEADERS)
    assert f'id="note-{paid_checkout.attempts[0].reference}"' in part
    assert note.number in part


def test_one_payment_lists_its_documents_and_what_remains(ada: PortalPayer, paid_checkout: Checkout) -> None:
    note = CreditNote.objects.get()
    path = f"/my/payments/{paid_checkout.payment.reference}/documents"
    assert path in ada.get(f"/my/payments/{paid_checkout.payment.reference}")
    CreditNote.objects.update(remaining=100)
    page = ada.get(path, **HTMX_HEADERS)
    for words in (note.number, "A$625.00", "open credit", "A$1.00 left"):
        assert words in page
    assert "<html" in ada.get(path)


def test_credit_notes_that_are_not_in_the_ledger_are_not_shown(ada: PortalPayer, paid_checkout: Checkout) -> None:
    CreditNote.objects.update(state="pending")
    assert "PF_CR" not in ada.get(build_numbers_path(paid_checkout))
    assert "hold no credit note" in ada.get(f"/my/payments/{paid_checkout.payment.reference}/documents")


def test_strangers_and_removed_people_see_nothing(ada: PortalPayer, paid_checkout: Checkout, stranger: Tenant) -> None:
    other = create_payer("other@example.com")
    other.give_access(create_company(stranger, "Elsewhere"))
    other.give_access(paid_checkout.payment.company, OWN_PAYMENTS)
    for who in (other, ada):
        if who is ada:
            PayerAccess.objects.filter(user=ada.user).update(state="removed")
        assert "PF_CR" not in who.get(build_numbers_path(paid_checkout))
        assert who.client.get(f"/my/payments/{paid_checkout.payment.reference}/documents").status_code == 404
    assert stranger.admin.get(build_numbers_path(paid_checkout)).status_code == 404


@pytest.mark.parametrize("of", ["", ",,,", "x" * 5000, "a\0b", "é"])
def test_bad_lists_of_attempts_are_empty_ones(ada: PortalPayer, of: str) -> None:
    assert "note-" not in ada.client.get("/my/credit-notes", {"of": of}).content.decode()
