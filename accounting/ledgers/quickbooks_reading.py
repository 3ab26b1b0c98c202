"""What the mirror reads of QuickBooks: lists by the page, what changed by one answer for all kinds, and some by id.

A page is 2,000 documents in one call. Invoices name their payments, which are one call more, and credits are named by
payments: two calls more where any was used, one for their customers' payments and one for the invoices' numbers.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.utils import timezone

from accounting.ledgers.quickbooks_base import Listed, QuickBooksCompany, parts
from accounting.ledgers.quickbooks_facts import (
    PAID_OUT,
    Rows,
    applied_by,
    brings_money,
    changed_at,
    contact_facts,
    credit_facts,
    first_paid,
    invoice_facts,
    payment_facts,
    refund_facts,
    taken_by,
    with_uses,
)
from accounting.ledgers.quickbooks_shapes import Row, is_voided, links_of, note, one_of, paid_by
from accounting.ledgers.reading import readable
from accounting.ledgers.words import ContactFacts, CreditFacts, InvoiceFacts, NoteFacts, Page, PaymentFacts

ALL = "Active IN (true, false)"
FARTHEST = timedelta(days=29)
REACH = timedelta(days=29, hours=12)  # change data capture reaches back 30 days, by a clock that is not ours
MEMO = "CreditMemo"
CAPTURED = ("Customer", "Invoice", "CreditMemo", "Payment")  # in one call: whoever wants the ones wants the others next
MOST_TOLD = 1000  # objects that change data capture tells of at most
CUSTOMERS = 100  # whose payments one query asks for


@dataclass(frozen=True, slots=True)
class Captured:
    """What changed since an instant. `served` are the kinds that were read from it: each is, once."""

    since: datetime
    as_of: datetime | None
    rows: dict[str, list[Row]]
    served: set[str] = field(default_factory=set)

    @property
    def is_whole(self) -> bool:
        """Whether nothing had to be left out."""
        return sum(len(rows) for rows in self.rows.values()) < MOST_TOLD

    def standing(self) -> dict[str, Rows]:
        """The rows that are there, by kind and id."""
        return {
            entity: {str(row["Id"]): row for row in rows if row.get("status") != "Deleted"}
            for entity, rows in self.rows.items()
        }


class QuickBooksReading(QuickBooksCompany):
    """Lists are in the order of ids, which a change of a row does not change."""

    tells_gone = FARTHEST
    _captured: Captured | None = None

    def read_contact_page(self, page: int, *, since: datetime | None) -> Page[ContactFacts]:
        found = self._listed("Customer", ALL, page, since)
        return Page(tuple(readable(found.rows, contact_facts)), found.pages, found.as_of, found.gone, found.is_cut)

    def read_contacts(self, ids: list[str]) -> Page[ContactFacts]:
        found = self._named("Customer", ids, ALL)
        return Page(tuple(readable(found.rows, contact_facts)), 1, gone=found.gone)

    def read_invoice_page(self, page: int, *, since: datetime | None) -> Page[InvoiceFacts]:
        found = self._listed("Invoice", "", page, since)
        return Page(tuple(self._invoices(found)), found.pages, found.as_of, found.gone, found.is_cut)

    def read_invoices(self, ids: list[str]) -> Page[InvoiceFacts]:
        found = self._named("Invoice", ids)
        return Page(tuple(self._invoices(found)), 1, gone=found.gone)

    def read_credit_page(self, page: int, *, since: datetime | None) -> Page[CreditFacts]:
        found = self._listed("CreditMemo", "", page, since)
        return Page(tuple(self._credits(found)), found.pages, found.as_of, found.gone, found.is_cut)

    def read_credits(self, ids: list[str]) -> Page[CreditFacts]:
        found = self._named("CreditMemo", ids)
        return Page(tuple(self._credits(found)), 1, gone=found.gone)

    def read_payment_page(self, page: int, *, since: datetime | None) -> Page[PaymentFacts]:
        found = self._listed("Payment", "", page, since)
        bare = (str(row["Id"]) for row in found.rows if is_voided(row) or not brings_money(row))
        return Page(tuple(self._payments(found)), found.pages, found.as_of, (*found.gone, *bare), found.is_cut)

    # ---- rows by id, pages and changes ----------------------------------------------------------

    def _named(self, entity: str, ids: list[str], where: str = "") -> Listed:
        """The rows of these ids; what is not answered is not there."""
        asked = " AND ".join(filter(None, (one_of("Id", ids), where)))
        rows = self._rows(entity, asked) if ids else []
        there = {str(row["Id"]) for row in rows}
        return Listed(rows, gone=tuple(key for key in dict.fromkeys(ids) if key not in there))

    def _listed(self, entity: str, where: str, page: int, since: datetime | None) -> Listed:
        """A page of all, or everything that changed; where that is too much or too long ago, by pages as well."""
        if since is None:
            return self._page(entity, where, page)
        told = self._capture(entity, since) if page == 1 else None
        gone = deleted(told, entity, since) if told else ()
        if told and told.is_whole:
            beside = told.standing()
            rows = [row for row in beside.get(entity, {}).values() if is_since(row, since)]
            return Listed(rows, as_of=told.as_of, gone=gone, beside=beside)
        when = f"MetaData.LastUpdatedTime >= '{since.isoformat()}'"
        found = self._page(entity, f"{where} AND {when}" if where else when, page)
        return replace(found, gone=gone, is_cut=told is not None)

    def _capture(self, entity: str, since: datetime) -> Captured | None:
        """What changed of all kinds, asked for when this one was not read from the last answer; None when too old."""
        if timezone.now() - since > REACH:
            return None
        held = self._captured
        if held is None or since < held.since or entity in held.served:
            listed = self._client.changes(",".join(CAPTURED), since.isoformat())
            rows = {name: some for each in listed for name, some in each.items() if name in CAPTURED}
            held = self._captured = Captured(since, self._client.told_at, rows)
        held.served.add(entity)
        return held

    # ---- rows with what belongs to them ---------------------------------------------------------

    def _invoices(self, found: Listed) -> list[InvoiceFacts]:
        """The invoices with what was put to them: their payments are asked for together."""
        keys = {key for row in found.rows for key in paid_by(row)}
        payments = self._known({"Payment": keys}, found.beside)["Payment"]
        applied = by_key(readable((payments[key] for key in sorted(keys) if key in payments), applied_by))
        return list(readable(found.rows, lambda row: invoice_facts(row, applied.get(str(row["Id"]), ()))))

    def _credits(self, found: Listed) -> list[CreditFacts]:
        """The credits with what was taken out of them."""
        uses = {fact.id: fact for fact in self._with_uses(found.rows, found.beside)}
        return list(readable(found.rows, lambda row: credit_facts(row, uses[str(row["Id"])])))

    def _with_uses(self, rows: list[Row], beside: dict[str, Rows] | None = None) -> list[NoteFacts]:
        """Credits that were read, with what was taken out of them. A memo does not name its payments."""
        met = list(readable(rows, lambda row: (note(row), str(row["CustomerRef"]["value"]))))
        payments = self._payments_of(whose for fact, whose in met if fact.remaining != fact.total)
        joins = [row for row in payments if credited(row)]
        wanted = {key for row in joins for kind, key, _ in links_of(row) if kind == "Invoice"}
        invoices = self._known({"Invoice": wanted}, beside)["Invoice"]
        uses = by_key(readable(joins, lambda row: taken_by(row, invoices)))
        return [with_uses(fact, uses.get(fact.id, ())) for fact, _ in met]

    def _payments_of(self, customers: Iterable[str]) -> list[Row]:
        """Every payment of these customers."""
        wanted = [one_of("CustomerRef", some) for some in parts(sorted(set(customers)), CUSTOMERS)]
        return self._all(("Payment", where) for where in wanted).get("Payment", [])

    def _payments(self, found: Listed) -> list[PaymentFacts]:
        """The money that payments brought, and what was paid back out of credits."""
        joins = [row for row in found.rows if credited(row)]
        received = [row for row in found.rows if brings_money(row) and not is_voided(row)]
        wanted: dict[str, Iterable[str]] = {
            "Invoice": [first_paid(row) for row in received],
            "Purchase": [key for row in joins for kind, key, _ in links_of(row) if kind in PAID_OUT],
            "CreditMemo": [key for row in joins if paid_back(row) for kind, key, _ in links_of(row) if kind == MEMO],
        }
        known = self._known(wanted, found.beside)
        money = readable(received, lambda row: payment_facts(row, known["Invoice"]))
        back = readable(joins, lambda row: tuple(refund_facts(row, known["Purchase"], known["CreditMemo"])))
        return [*money, *(fact for facts in back for fact in facts)]


def by_key[T](found: Iterable[Iterable[tuple[str, T]]]) -> dict[str, list[T]]:
    """What many rows told, gathered by what it is about."""
    gathered: dict[str, list[T]] = {}
    for key, value in (pair for pairs in found for pair in pairs):
        gathered.setdefault(key, []).append(value)
    return gathered


def credited(payment: Row) -> bool:
    """Whether a payment took something out of a credit memo."""
    return any(kind == MEMO for kind, _, _ in links_of(payment))


def paid_back(payment: Row) -> bool:
    """Whether a payment joins money that was paid out."""
    return any(kind in PAID_OUT for kind, _, _ in links_of(payment))


def is_since(row: Row, since: datetime) -> bool:
    """Whether a row changed since then; QuickBooks tells times to the second."""
    return changed_at(row) >= since.replace(microsecond=0)


def deleted(told: Captured, entity: str, since: datetime) -> tuple[str, ...]:
    """The ids of what was deleted since then, as far as was told."""
    rows = (row for row in told.rows.get(entity, []) if row.get("status") == "Deleted")
    return tuple(str(row["Id"]) for row in rows if is_since(row, since))
