"""Numbers are not unique in every company: all rows of one are looked at, and ours is chosen."""

import pytest

from accounting.ledgers.protocol import WriteResult
from tests.accounting.ledgers.ledger_case import LedgerCase


@pytest.mark.parametrize("any_tenant", ["quickbooks"], indirect=True)
@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize("entity", ["Invoice", "CreditMemo"])
def test_a_document_of_somebody_else_with_our_number_does_not_hide_ours(
    ledger_case: LedgerCase, entity: str, is_there: bool
) -> None:
    """Companies may allow duplicate numbers: node-quickbooks#128, QuickBooks-V3-DotNET-SDK#175."""
    whose, stranger = ledger_case.create_contact(), ledger_case.create_contact("Somebody else")
    is_invoice = entity == "Invoice"
    expected = []
    if is_there:
        ours = ledger_case.create_invoice(whose) if is_invoice else ledger_case.create_credit_note("PF-1", whose)
        expected = [WriteResult("PF-1", id=ours.id)]
    line = {
        "Amount": "10.00",
        "DetailType": "SalesItemLineDetail",
        "SalesItemLineDetail": {"ItemRef": {"value": "1"}, "TaxCodeRef": {"value": "3"}},
    }
    theirs = {"CustomerRef": {"value": stranger}, "DocNumber": "PF-1", "Line": [line]}
    order = {"create": {"company": "au", "duplicates": True, entity: [theirs]}}
    ledger_case.tenant.world.post("/intuit/_control", order)
    find = ledger_case.ledger.find_invoices if is_invoice else ledger_case.ledger.find_credit_notes
    assert find([ledger_case.build_document_order(whose)]) == expected
