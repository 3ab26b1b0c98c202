"""Good forms and queries of the pages about ConnectWise PSA."""

from sandbox.harness.environment import PSA_SITE
from sandbox.psa.tenant import PRIVATE_KEY, PUBLIC_KEY
from tests.bad_input.cases import CASES, Case, Fields
from tests.bad_input.scene import Scene
from tests.psa.scene import create_unclear_invoice, create_undecided_payment


def psa_payment(scene: Scene) -> dict[str, str]:
    """The path of a payment whose invoice a person has to choose, made on first sight."""
    return {"reference": create_undecided_payment(scene.attempt).reference}


def psa_invoice(scene: Scene) -> dict[str, str]:
    """The path of an invoice of PSA that may be the one of the books, made on first sight."""
    row = create_unclear_invoice(scene.merchant, scene.invoice.number)
    return {"invoice_id": str(row.invoice_id)}


def nothing(scene: Scene) -> Fields:
    """A form without fields, of a merchant that has a connection."""
    create_undecided_payment(scene.attempt)
    return {}


PSA_CASES: dict[str, Case] = {
    "psa:connection": Case(
        form=lambda s: {
            "site": PSA_SITE,
            "company": "northwind" if s.mark == "ours" else "other",
            "public_key": PUBLIC_KEY,
            "private_key": PRIVATE_KEY,
        },
        free=("company", "public_key", "private_key", "site"),
    ),
    "psa:callback": Case(who="nobody", path=lambda s: {"secret": "nobody0knows0this0secret"}),
    "psa:verify": Case(form=nothing),
    "psa:settings": Case(
        form=lambda s: (
            nothing(s)
            | {"written_by": "nobody", "writes_debits": "settled", "syncs_payments": "", "shows_documents": ""}
        )
    ),
    "psa:disconnect": Case(form=nothing),
    "psa:list": Case(query=lambda s: {"page": "1"}),
    "psa:decide": Case(
        form=lambda s: {"act": "settle", "note": "Entered by hand", "number": "", "payment": "", "invoice": ""},
        path=psa_payment,
    ),
    "psa:sync_report": Case(query=lambda s: {"page": "1"}),
    "psa:invoices": Case(query=lambda s: {"page": "1"}),
    "psa:join_invoice": Case(form=lambda s: {"ledger_invoice": s.invoice.reference}, path=psa_invoice),
}
ALL_CASES: dict[str, Case] = {**CASES, **PSA_CASES}
