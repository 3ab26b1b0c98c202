"""The list of everything that was posted to the books, or is to be."""

from collections.abc import Sequence
from typing import Any, Literal

from django.db.models import Q, QuerySet
from django.urls import reverse

from accounting.ledger_session import annotate_connected_books
from accounting.ledgers import build_document_url
from accounting.models import Posting
from accounting.models.posting_kinds import Kind
from merchants.listings import MerchantListing
from payers.filters import CompanyFilters, find_by_company
from wisepay.clock import format_date
from wisepay.lists.filters import ChoiceFilter, DayFilter, SearchFilter
from wisepay.lists.ordering import Sort
from wisepay.lists.tables import ListColumn, build_table, link, link_out
from wisepay.templatetags.wisepay import BADGES, badge, when

PATH_MARK = "list_path"
STATES = ("pending", "sent", "posted", "rejected", "cancelled")
Document = Literal["invoice", "credit_note", "payment"]
DOCUMENTS: dict[str, Document] = {
    Kind.INVOICE: "invoice",
    Kind.CREDIT_NOTE: "credit_note",
    Kind.DRAFT_NOTE: "credit_note",
    Kind.APPROVAL: "credit_note",
    Kind.PAYMENT: "payment",
    Kind.INVOICE_PAYMENT: "payment",
}


class PostingFilters(CompanyFilters):
    """What a merchant filters postings by."""

    q = SearchFilter(label="Search", method="pass_all")
    kind = ChoiceFilter(label="Document", choices=Kind.choices)
    state = ChoiceFilter(label="State", choices=[(state, BADGES[state][1]) for state in STATES])
    since = DayFilter(label="Dated from", field_name="on", lookup_expr="gte")
    until = DayFilter(label="Dated to", field_name="on", lookup_expr="lte")
    company = SearchFilter(label="Payer", method="filter_company")


def show_amount(posting: Posting) -> str:
    """The amount as people read it."""
    return str(posting.money) if posting.payment_id and posting.amount else ""


def show_document(posting: Any, zone: str) -> str:
    """What it is; it leads to the payment that it belongs to."""
    path = getattr(posting, PATH_MARK)
    return link(path, posting.get_kind_display()) if path else posting.get_kind_display()


def get_document_url(posting: Any) -> str:
    """The document's page in the books, while they are the connected ones."""
    document = DOCUMENTS.get(posting.kind)
    if document is None or posting.state != "posted" or posting.sent_to != posting.connected_id:
        return ""
    return build_document_url(posting.provider or "", document, posting.ledger_id)


def show_number(posting: Any, zone: str) -> str:
    """The number, which leads to the document in the books."""
    return link_out(get_document_url(posting), posting.number)


COLUMNS = {
    "document": ListColumn("Document", lambda p: p.get_kind_display(), show_document, look="cell-ref"),
    "number": ListColumn("Number", lambda p: p.number, show_number, look="mono"),
    "company": ListColumn("Payer", lambda p: p.company.name),
    "state": ListColumn("State", lambda p: BADGES[p.state][1], lambda p, zone: badge(p.state), look="cell-side"),
    "on": ListColumn(
        "Dated", lambda p: p.on, lambda p, zone: format_date(p.on) if p.on else "", look="nowrap cell-side"
    ),
    "amount": ListColumn(
        "Amount", lambda p: p.money.decimal if p.payment_id and p.amount else None, lambda p, zone: show_amount(p),
        look="cell-num",
    ),
    "currency": ListColumn("Currency", lambda p: p.payment.currency if p.payment_id else p.currency, is_shown=False),
    "created": ListColumn(
        "Created", lambda p: p.created_at, lambda p, zone: when(p.created_at, zone), look="nowrap", is_shown=False,
        sort="created",
    ),
    "changed": ListColumn(
        "Last change", lambda p: p.state_at, lambda p, zone: when(p.state_at, zone), look="nowrap", is_shown=False
    ),
    "error": ListColumn("Why not", lambda p: p.error, is_shown=False),
    "ledger_id": ListColumn("Id in the books", lambda p: p.ledger_id, look="mono", is_shown=False),
    "reference": ListColumn(
        "Payment", lambda p: p.payment.reference if p.payment_id else "", look="mono", is_shown=False
    ),
}  # fmt: skip


class PostingList(MerchantListing[Posting]):
    """Everything that was posted to the books, is to be, or became needless, the newest first."""

    name, title = "postings", "Everything that was posted"
    search_label = "Number or payer"
    table_class = build_table("PostingTable", COLUMNS)
    filters_class = PostingFilters
    sorts = (Sort("-created", "Newest first"), Sort("created", "Oldest first", is_descending=False))

    def list_rows(self) -> QuerySet[Posting]:
        """All of them."""
        return Posting.objects.filter(merchant=self.merchant)

    def build_search(self, text: str) -> Sequence[Q]:
        """By the document's number and the payer. One statement."""
        return [Q(number__startswith=text.upper()), *find_by_company(self.merchant, text)]

    def annotate(self, rows: QuerySet[Posting], columns: Sequence[str]) -> QuerySet[Posting]:
        """With the payer, the payment, and which books are connected."""
        rows = rows.select_related("company", "payment").defer("payment__details", "payment__methods")
        return annotate_connected_books(rows)

    def attach(self, rows: list[Posting]) -> list[Posting]:
        """With the page of the payment."""
        path = reverse("payments:detail", args=[self.merchant.reference, "REFERENCE"])
        for row in rows:
            setattr(row, PATH_MARK, path.replace("REFERENCE", row.payment.reference) if row.payment else "")
        return rows
