"""The table of posting kinds: complete, consistent, and in an order in which everything can be sent."""

from dataclasses import fields
from string import Formatter

import pytest

from accounting.ledgers import LEDGERS
from accounting.ledgers.guides import Guide
from accounting.models.posting_kinds import CREDIT_NOTE_PREFIX, KIND_TRAITS, PAYMENT_KINDS, Kind, list_undone_kinds
from accounting.posting.kinds import KIND_BY_NAME, POSTING_KINDS, SEND_POSITION

GUIDE_FIELDS = {"amount", "company", "contact", "credit_note", "invoice", "on", "reference"}


def test_every_kind_stands_once_in_both_tables() -> None:
    assert sorted(KIND_TRAITS) == sorted(KIND_BY_NAME) == sorted(Kind)
    assert len(POSTING_KINDS) == len(Kind)


@pytest.mark.parametrize("kind", [kind for kind in Kind if KIND_TRAITS[kind].undone_by])
def test_what_undoes_a_kind_is_about_the_same_and_reverses_its_balances(kind: Kind) -> None:
    traits = KIND_TRAITS[kind]
    assert traits.undone_by is not None
    undoing = KIND_TRAITS[traits.undone_by]
    assert (undoing.subject, undoing.prefix, undoing.undone_by) == (traits.subject, traits.prefix, None)
    assert undoing.clearing_sign == -traits.clearing_sign
    assert undoing.prepayments_sign == -traits.prepayments_sign
    assert undoing.credit_sign == -traits.credit_sign
    assert kind in list_undone_kinds(traits.undone_by)


def test_payments_and_refunds_move_the_clearing_account_and_nothing_else_does() -> None:
    assert set(PAYMENT_KINDS) == {Kind.PAYMENT, Kind.INVOICE_PAYMENT, Kind.REFUND}
    assert CREDIT_NOTE_PREFIX == "PF_CR"


def test_an_original_is_sent_before_what_undoes_its_credit_note() -> None:
    for kind in (Kind.DRAFT_NOTE, Kind.CREDIT_NOTE, Kind.APPROVAL):
        undone_by = KIND_TRAITS[kind].undone_by
        assert undone_by is not None
        assert SEND_POSITION[kind] < SEND_POSITION[undone_by]


@pytest.mark.parametrize("guide", [ledger.guide for ledger in LEDGERS.values()], ids=list(LEDGERS))
def test_a_guide_speaks_of_its_own_package_and_asks_for_known_fields_only(guide: Guide) -> None:
    texts = [getattr(guide, field.name) for field in fields(guide)]
    messages = [text for one in texts for text in ([one] if isinstance(one, str) else one)]
    others = {ledger.guide.package for ledger in LEDGERS.values()} - {guide.package}
    assert not [text for text in messages if any(other in text for other in others)]
    assert {name for text in messages for _, name, _, _ in Formatter().parse(text) if name} <= GUIDE_FIELDS
