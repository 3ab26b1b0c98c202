"""Save accounting settings and the lists that they are chosen from."""

from datetime import datetime

from django.urls import reverse
from django_subatomic.db import transaction, transaction_required

from accounting.ledger_session import get_guide
from accounting.ledgers.remote_documents import UnreadableRow
from accounting.models import AccountingSettings, LedgerAccount, LedgerItem, LedgerTaxCode, LedgerTerm, Posting
from accounting.posting.services import return_refused_postings, schedule_sending
from accounting.unreadable import keep_apart
from connections.models import Connection, Tier
from merchants.models import EventNotification, Merchant
from merchants.services import notify_merchant
from wisepay import outbox

NEW_ITEM = "new"
ITEM_NAME = "Wise-Pay quote payments"


def save_accounting_settings(
    merchant: Merchant,
    *,
    clearing_account: str,
    prepayments_account: str,
    tax_code: str,
    now: datetime,
    item: str = "",
) -> AccountingSettings:
    """Use these accounts of the connected organisation from now on, and send the postings that waited for them.

    With `NEW_ITEM` as the item, one is created for the prepayments account, and postings wait for it.
    """
    connection = Connection.objects.filter(merchant=merchant, tier=Tier.WISE_PAY).first()
    columns = {
        "clearing_account": clearing_account,
        "prepayments_account": prepayments_account,
        "tax_code": tax_code,
        "item": "" if item == NEW_ITEM else item,
    }
    with transaction():
        chosen = lock_accounting_settings(merchant)
        for name, value in columns.items():
            setattr(chosen, name, value)
        chosen.organisation_id = connection.organisation_id if connection else ""
        if connection is not None:
            chosen.by_organisation |= {connection.organisation_id: {**columns, "name": connection.organisation_name}}
        if chosen.missing:
            chosen.missing = list_missing_choices(chosen)
        chosen.save()
        if item == NEW_ITEM:
            outbox.schedule(f"item:{merchant.pk}", "accounting.make_item", now=now, merchant_id=merchant.pk)
        schedule_sending(merchant, now=now)
    return chosen


def schedule_lists_import(merchant: Merchant, *, now: datetime) -> None:
    """Have a worker read the lists again that people choose from."""
    outbox.schedule(f"lists:{merchant.pk}", "accounting.import_lists", now=now, merchant_id=merchant.pk)


@transaction_required
def lock_accounting_settings(merchant: Merchant) -> AccountingSettings:
    """The merchant's row of settings, made if there is none, locked until the transaction ends."""
    AccountingSettings.objects.get_or_create(merchant=merchant)
    return AccountingSettings.objects.select_for_update().get(merchant=merchant)


@transaction_required
def restore_accounting_settings(chosen: AccountingSettings, organisation_id: str, *, now: datetime) -> bool:
    """Use again what was chosen in this organisation before, if all of it can still be chosen; answers whether.

    So postings go on automatically when a former organisation is connected again.
    """
    saved = chosen.by_organisation.get(organisation_id)
    if saved is None:
        return False
    accounts, of = LedgerAccount.objects.filter(merchant=chosen.merchant_id), {"merchant": chosen.merchant_id}
    if not (
        accounts.filter(code=saved["clearing_account"], takes_payments=True).exists()
        and accounts.filter(code=saved["prepayments_account"], holds_prepayments=True).exists()
        and LedgerTaxCode.objects.filter(**of, code=saved["tax_code"]).exists()
        and (not saved["item"] or LedgerItem.objects.filter(**of, code=saved["item"]).exists())
    ):
        return False
    for name in ("clearing_account", "prepayments_account", "tax_code", "item"):
        setattr(chosen, name, saved[name])
    chosen.organisation_id = organisation_id
    chosen.save()
    schedule_sending(chosen.merchant, now=now)
    return True


def save_ledger_item(merchant: Merchant, item: LedgerItem, *, now: datetime) -> None:
    """Use this item in our lines from now on, if its income account is still the account for prepayments."""
    with transaction():
        columns = {"name": item.name, "account": item.account, "read_at": now}
        LedgerItem.objects.update_or_create(merchant=merchant, code=item.code, defaults=columns)
        rows = AccountingSettings.objects.filter(merchant=merchant, prepayments_account=item.account)
        if rows.update(item=item.code):
            chosen = lock_accounting_settings(merchant)
            if saved := chosen.by_organisation.get(chosen.organisation_id):
                saved["item"] = item.code
                chosen.save(update_fields=["by_organisation"])
            schedule_sending(merchant, now=now)


def save_ledger_lists(
    merchant: Merchant,
    *,
    accounts: list[LedgerAccount],
    tax_codes: list[LedgerTaxCode],
    items: list[LedgerItem],
    warning: str,
    currencies: list[str],
    organisation_id: str,
    now: datetime,
) -> dict[str, list[UnreadableRow]]:
    """Replace the lists, the currencies and the settings warning by what was read now of this organisation.

    The merchant's people are notified of what is chosen and stands there no more. Where the books of another
    organisation are connected than the accounts are of, what was chosen there before is used again; without that, the
    people are told to choose. Answers what of each list cannot be kept.
    """
    with transaction():
        chosen = lock_accounting_settings(merchant)
        chosen.warning, chosen.currencies, chosen.lists_of = warning[:400], currencies, organisation_id
        chosen.save(update_fields=["warning", "currencies", "lists_of"])
        LedgerAccount.objects.filter(merchant=merchant).delete()
        LedgerTaxCode.objects.filter(merchant=merchant).delete()
        LedgerItem.objects.filter(merchant=merchant).delete()
        refused = {
            "accounts": keep_apart(accounts, LedgerAccount.objects.bulk_create)[1],
            "tax_codes": keep_apart(tax_codes, LedgerTaxCode.objects.bulk_create)[1],
            "items": keep_apart(items, LedgerItem.objects.bulk_create)[1],
        }
        is_other = chosen.is_complete and not chosen.is_for(organisation_id)
        if is_other and not restore_accounting_settings(chosen, organisation_id, now=now):
            request_accounts(merchant, organisation_id, now=now)
        record_missing_choices(merchant, organisation_id=organisation_id, now=now)
        return refused


@transaction_required
def record_missing_choices(merchant: Merchant, *, organisation_id: str, now: datetime) -> None:
    """Write down which chosen accounts, codes and items the ledger has no more, and notify of those that are new."""
    chosen = AccountingSettings.objects.select_for_update().get(merchant=merchant)
    missing = list_missing_choices(chosen) if chosen.is_for(organisation_id) else []
    known, chosen.missing = chosen.missing, missing
    chosen.save(update_fields=["missing"])
    if fresh := [each for each in missing if each not in known]:
        notify_merchant(
            merchant,
            event=EventNotification.Event.BOOKS_TASK,
            key=f"missing:{merchant.pk}:{now.isoformat()}",
            title="The accounting package needs a person",
            body=" ".join(fresh),
            path=reverse("accounting:accounts", args=[merchant.reference]),
            now=now,
        )
    if known and not missing:
        return_refused_postings(Posting.objects.filter(merchant=merchant), by="books", now=now)
        schedule_sending(merchant, now=now)


def list_missing_terms(merchant: Merchant) -> list[str]:
    """Sentences about branding themes or terms of billing terms that the ledger has no more."""
    rows = LedgerTerm.objects.filter(merchant=merchant, billing_term__is_active=True, is_gone=True)
    package = get_guide(merchant).package
    return [
        f"“{row.name}” of the billing term {row.billing_term} was deleted or made inactive in {package}: its open "
        "invoices are still charged, new ones can't have it. Let the billing term cover another one."
        for row in rows.select_related("billing_term").order_by("name")
    ]


def list_missing_choices(chosen: AccountingSettings) -> list[str]:
    """Sentences about what is chosen and was archived, made inactive or deleted in the ledger."""
    merchant, package = chosen.merchant, get_guide(chosen.merchant).package
    codes = set(LedgerAccount.objects.filter(merchant=merchant).values_list("code", flat=True))
    taxes = set(LedgerTaxCode.objects.filter(merchant=merchant).values_list("code", flat=True))
    items = set(LedgerItem.objects.filter(merchant=merchant).values_list("code", flat=True))
    choices = [
        ("Account for Clearing Payments", chosen.clearing_account, codes),
        ("Account for Prepayments", chosen.prepayments_account, codes),
        ("Overpayment Tax Code", chosen.tax_code, taxes),
        ("Item for Prepayments", chosen.item, items),
    ]
    return [
        f"{label} ({code}) was archived, made inactive or deleted in {package}: nothing can be booked. Make it active "
        "again there and press Read again, or choose another one here."
        for label, code, known in choices
        if code and code not in known
    ]


@transaction_required
def request_accounts(merchant: Merchant, organisation_id: str, *, now: datetime) -> None:
    """Tell the merchant's people, once for each time that it is connected, to choose the accounts of a company."""
    connection = Connection.objects.filter(merchant=merchant, tier=Tier.WISE_PAY).first()
    if connection is None or connection.organisation_id != organisation_id:
        return
    since = connection.connected_at.isoformat() if connection.connected_at else ""
    notify_merchant(
        merchant,
        event=EventNotification.Event.BOOKS_TASK,
        key=f"accounts:{organisation_id}:{since}",
        title=f"Choose the accounts of {connection.organisation_name}",
        body=f"Another company is connected: {connection.organisation_name}. Nothing is booked until its accounts and "
        "its tax code are chosen. Payments go on meanwhile.",
        path=reverse("accounting:accounts", args=[merchant.reference]),
        now=now,
    )
