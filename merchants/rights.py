"""The rights that a merchant's people can have, and which of them the built-in roles are made of."""

from collections.abc import Iterable

from django.db import models


class Right(models.TextChoices):
    """What somebody may do at a merchant; every page of the console names those that open it."""

    SEE = "see", "See"
    EVERYDAY = "everyday", "Everyday work"
    TAKE_PAYMENTS = "take_payments", "Take payments"
    REFUND = "refund", "Refund"
    MANAGE_PAYERS = "manage_payers", "Manage payers"
    AUTOMATIC_PAYMENTS = "automatic_payments", "Automatic payments"
    BOOKS = "books", "Books"
    SETTINGS = "settings", "Settings"
    PEOPLE = "people", "People"


EXPLANATIONS: dict[str, str] = {
    Right.SEE.value: "Quotes, invoices, payments, payouts, disputes, payers, automatic payments and postings, to look "
    "at and to take along as files. Every role has it.",
    Right.EVERYDAY.value: "Apply credits, try postings again, accept and retry automatic payments, rename clients and "
    "send them their Welcome mail again.",
    Right.TAKE_PAYMENTS.value: "Let new cards be taken again after many were declined.",
    Right.REFUND.value: "Give money back, up to the limit of the role.",
    Right.MANAGE_PAYERS.value: "Add payers, say what they see, and remove them.",
    Right.AUTOMATIC_PAYMENTS.value: "Switch automatic payments of clients on and off, accept, retry and cancel them.",
    Right.BOOKS.value: "Reconciliation, tasks and credits, which contact a client is, and what stands in ConnectWise "
    "PSA.",
    Right.SETTINGS.value: "Everything under Configure but people and the audit log: keys, accounts, terms.",
    Right.PEOPLE.value: "Invite people, say what they may do, end their sessions, see as a payer, and the audit log.",
}
ALL_RIGHTS = frozenset(Right)
# Any of these opens what people do every day in the books, with automatic payments, and with clients.
BOOKS_WORK = (Right.BOOKS, Right.EVERYDAY)
AUTOPAY_WORK = (Right.AUTOMATIC_PAYMENTS, Right.EVERYDAY)
PAYER_WORK = (Right.MANAGE_PAYERS, Right.EVERYDAY)
# By the kind of a built-in role; here and not in its row, so that a right that comes later reaches them all.
BUILT_IN_RIGHTS: dict[str, frozenset[Right]] = {
    "administrator": ALL_RIGHTS,
    "bookkeeper": ALL_RIGHTS - {Right.REFUND, Right.SETTINGS, Right.PEOPLE},
    "reader": frozenset({Right.SEE}),
}
# Who has one of these changes what others may do, or where the money goes: such a role is given after a fresh proof.
STRONG_RIGHTS = frozenset({Right.SETTINGS, Right.PEOPLE, Right.REFUND})


def describe_rights(rights: Iterable[str]) -> str:
    """The rights by their names, in the order of the table: "See, Books"."""
    names = set(rights)
    return ", ".join(str(right.label) for right in Right if right in names)
