"""Payers see PSA's PDF where the merchant wants that: of their own invoice, through us, and never another company's."""

from collections.abc import Callable

import pytest
from django.utils import timezone

from accounting.models import InvoiceDocument, LedgerInvoice
from psa.models import PsaInvoice
from psa.services import get_psa_connection, update_psa_settings
from tests.accounting.invoices.scenario import InvoiceScenario
from tests.pdf_text import get_pdf_text
from tests.psa.scene import PsaScene
from tests.tenants import Tenant

PDF = "/v4_6_release/apis/3.0/finance/invoices/*/pdf"


@pytest.fixture
def billing(tenant: Tenant) -> InvoiceScenario:
    """Harbour Dental, whose invoices are in the books."""
    return InvoiceScenario(tenant)


def show_documents(scene: PsaScene, wanted: bool = True) -> None:
    """Save the setting, as an admin does."""
    form = {"written_by": "us", "writes_debits": "settled"} | ({"shows_documents": "on"} if wanted else {})
    path = scene.tenant.url("configure/merchants/integrations/psa/settings")
    assert scene.tenant.admin.post(path, form).status_code == 302


def read_pdf(billing: InvoiceScenario, invoice: LedgerInvoice) -> str:
    """The words of the document that the payer sees."""
    answer = billing.client.get(f"/my/invoices/{invoice.reference}/pdf")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/pdf")
    return get_pdf_text(answer.content)


def is_of_psa(scene: PsaScene, words: str) -> bool:
    """Whether the document is PSA's, which alone prints the whole amount as a bare number."""
    return "512.25" in words


@pytest.fixture
def invoice(scene: PsaScene, billing: InvoiceScenario) -> LedgerInvoice:
    """An invoice in both, whose total differs so that the documents can be told apart."""
    scene.bill("INV-1", 512.25)
    found = billing.create_invoice("500.00", number="INV-1")
    scene.poll()
    assert PsaInvoice.objects.get().match == "joined"
    return found


def test_the_ledgers_pdf_is_shown_until_the_merchant_wants_that_of_psa(
    scene: PsaScene, billing: InvoiceScenario, invoice: LedgerInvoice
) -> None:
    before = len(scene.list_calls())
    assert not is_of_psa(scene, read_pdf(billing, invoice))
    assert len(scene.list_calls()) == before
    show_documents(scene)
    assert is_of_psa(scene, read_pdf(billing, invoice))
    assert len(scene.list_calls()) == before + 1
    assert is_of_psa(scene, read_pdf(billing, invoice))  # the copy
    assert len(scene.list_calls()) == before + 1
    show_documents(scene, wanted=False)
    assert not is_of_psa(scene, read_pdf(billing, invoice))


def rename_company(scene: PsaScene) -> None:
    PsaInvoice.objects.update(company_name="Lakeside Legal", company_identifier="LL")


def forget_join(scene: PsaScene) -> None:
    PsaInvoice.objects.update(match="ambiguous", ledger_invoice=None)


def delete_it(scene: PsaScene) -> None:
    scene.control(delete_invoice={"invoice": PsaInvoice.objects.get().invoice_id})


def answer_no_pdf(scene: PsaScene) -> None:
    scene.tenant.world.fault("psa", "html", status=200, method="GET", path=PDF)


def withdraw_right(scene: PsaScene) -> None:
    scene.control(withdraw={"right": "invoicing:inquire"})


FALLS_BACK: dict[str, Callable[[PsaScene], None]] = {
    "the number alone is the same": rename_company,
    "it is not joined": forget_join,
    "PSA has it no more": delete_it,
    "PSA sends no PDF": answer_no_pdf,
    "our API member may not read it": withdraw_right,
}


@pytest.mark.parametrize("name", FALLS_BACK)
def test_the_ledgers_pdf_is_shown_where_psa_has_none_that_is_surely_the_same(
    scene: PsaScene, billing: InvoiceScenario, invoice: LedgerInvoice, name: str
) -> None:
    show_documents(scene)
    FALLS_BACK[name](scene)
    assert not is_of_psa(scene, read_pdf(billing, invoice))


def test_a_payer_is_told_to_try_again_when_psa_does_not_answer(
    scene: PsaScene, billing: InvoiceScenario, invoice: LedgerInvoice
) -> None:
    show_documents(scene)
    scene.tenant.world.fault("psa", "status", status=503, method="GET", path=PDF)
    answer = billing.client.get(f"/my/invoices/{invoice.reference}/pdf")
    assert (answer.status_code, "Please try again" in answer.content.decode()) == (503, True)
    assert not InvoiceDocument.objects.exists()


def test_a_document_that_has_no_end_is_not_passed_on(
    scene: PsaScene, billing: InvoiceScenario, invoice: LedgerInvoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("psa.connectwise.client.LARGEST_DOCUMENT", 100)
    show_documents(scene)
    assert not is_of_psa(scene, read_pdf(billing, invoice))


def test_others_see_neither_document(scene: PsaScene, billing: InvoiceScenario, invoice: LedgerInvoice) -> None:
    update_psa_settings(
        get_psa_connection(scene.tenant.merchant),
        written_by="us", writes_debits="settled", shows_documents=True, now=timezone.now(),
    )  # fmt: skip
    others = [scene.tenant.payer("x@lakeside.example", company="Lakeside"), billing.create_other_payer(scope="own")]
    for client in others:
        assert client.get(f"/my/invoices/{invoice.reference}/pdf").status_code == 404
