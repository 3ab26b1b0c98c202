"""Good forms and queries of the pages about ConnectWise PSA."""

from accounting.models import LedgerAccount
from psa.agreements.models import PsaAgreement, PsaBillingTerm
from psa.invoice_sync.models import InvoiceSync, InvoiceSyncSettings, PsaTaxCode
from psa.models import PsaConnection
from sandbox.harness.environment import PSA_SITE
from sandbox.psa.tenant import PRIVATE_KEY, PUBLIC_KEY
from tests.bad_input.cases import CASES, Case, Fields
from tests.bad_input.link_cases import LINK_CASES
from tests.bad_input.list_cases import LIST_CASES
from tests.bad_input.people_cases import PEOPLE_CASES
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


def psa_agreement(scene: Scene) -> dict[str, str]:
    """The path of an agreement that nobody decided about, made on first sight."""
    create_undecided_payment(scene.attempt)
    row, _ = PsaAgreement.objects.get_or_create(
        merchant=scene.merchant,
        agreement_id=61,
        defaults={
            "organisation_id": "/",
            "name": "Managed services",
            "psa_company_id": 19,
            "psa_company": "Harbour Dental",
            "is_active": True,
            "state": "open",
            "state_at": scene.now,
            "read_at": scene.now,
        },
    )
    return {"reference": row.reference}


def psa_terms(scene: Scene) -> Fields:
    """A form that says what the one billing term of PSA means."""
    create_undecided_payment(scene.attempt)
    about = {"merchant": scene.merchant, "organisation_id": "/", "term_id": 1}
    PsaBillingTerm.objects.get_or_create(**about, defaults={"name": "Net 14 days", "read_at": scene.now})
    return {"term_1": "none", "confirmed": ""}


def psa_sync(scene: Scene) -> dict[str, str]:
    """The path of a run that waits with its preview, made on first sight."""
    create_undecided_payment(scene.attempt)
    about = {"merchant": scene.merchant, "psa_organisation": "/", "organisation_id": scene.organisation}
    fresh = {"state": "ready", "state_at": scene.now, "since": scene.now.date()}
    return {"reference": InvoiceSync.objects.get_or_create(**about, defaults=fresh)[0].reference}


def sync_start(scene: Scene) -> Fields:
    """A form that starts a run, of a merchant whose PSA is connected and who switched it on."""
    create_undecided_payment(scene.attempt)
    connection = PsaConnection.objects.get(merchant=scene.merchant)
    connection.site, connection.private_key = f"{scene.mark}.example", "practice"
    connection.save(update_fields=["site", "private_key"])
    PsaConnection.objects.filter(pk=connection.pk).update(state="connected")
    InvoiceSyncSettings.objects.update_or_create(merchant=scene.merchant, defaults={"is_enabled": True})
    return {"since": "2026-01-01"}


def psa_taxes(scene: Scene) -> Fields:
    """A form that leaves the one tax code of PSA undecided."""
    create_undecided_payment(scene.attempt)
    about = {"merchant": scene.merchant, "psa_organisation": "/", "organisation_id": scene.organisation}
    PsaTaxCode.objects.get_or_create(**about, tax_code_id=4, is_taxed=True, defaults={"name": "AU GST"})
    return {"tax_4_1": ""}


def sync_settings(scene: Scene) -> Fields:
    """A form that books lines to an income account."""
    account = LedgerAccount.objects.filter(merchant=scene.merchant, kind="REVENUE").order_by("code")[0]
    return {"is_enabled": "on", "account": account.code}


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
    "psa:terms": Case(form=psa_terms),
    "psa:agreements": Case(query=lambda s: {"page": "1", "show": "asked"}),
    "psa:read_agreements": Case(form=nothing),
    "psa:decide_agreement": Case(
        form=lambda s: {"act": "dismiss", "shown": "", "company": "", "primary": "", "secondary": ""},
        path=psa_agreement,
    ),
    "psa:invoice_sync": Case(form=sync_start),
    "psa:invoice_sync_settings": Case(form=sync_settings, free=("account",)),
    "psa:invoice_sync_taxes": Case(form=psa_taxes),
    "psa:invoice_sync_run": Case(query=lambda s: {"page": "1"}, path=psa_sync),
    "psa:decide_invoice_sync": Case(
        form=lambda s: {"act": "drop", "seen": "", "psa_company": "", "company": ""}, path=psa_sync
    ),
    "psa:sync_report": Case(query=lambda s: {"page": "1"}),
    "psa:invoices": Case(query=lambda s: {"page": "1"}),
    "psa:join_invoice": Case(form=lambda s: {"ledger_invoice": s.invoice.reference}, path=psa_invoice),
}
ALL_CASES: dict[str, Case] = {**CASES, **LINK_CASES, **LIST_CASES, **PSA_CASES, **PEOPLE_CASES}
