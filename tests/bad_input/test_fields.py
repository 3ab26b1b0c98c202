"""Every field of every form of ours is of a kind that knows what it takes."""

from collections.abc import Iterator
from typing import Any

import pytest
from django import forms
from django.urls import get_resolver

from tests.product import APPS
from wisepay.forms import WordsField

# Text that is nobody's words: secrets, which are never changed, and what is parsed as a whole right after.
NO_WORDS = {
    "CpqSettingsForm.order_porter_url",
    "PasswordForm.password",
    "PasswordForm.confirm",
    "JoinForm.password",
    "LoginCodeForm.code",
    "FactorCodeForm.code",
    "FactorCodeAgainForm.code",
    "ActivateAppForm.code",
    "AcknowledgementForm.shown",
    "AgreementForm.shown",
    "SyncDecisionForm.seen",
    *(f"{form}.radar_session" for form in ("AttemptForm", "MethodChoiceForm", "SetupForm")),
    "TransactionSearchForm.amount",
    "TransactionSearchForm.at_least",
    "TransactionSearchForm.at_most",
}


def list_forms(form: type[Any] = forms.BaseForm) -> Iterator[type[Any]]:
    """Every form of ours that any page has loaded."""
    assert get_resolver().url_patterns
    for inner in form.__subclasses__():
        if inner.__module__.startswith(APPS):
            yield inner
        yield from list_forms(inner)


def list_fields(kind: type[forms.Field]) -> dict[str, Any]:
    """Every field of exactly this kind, by its form and name."""
    found = {f"{f.__name__}.{name}": field for f in set(list_forms()) for name, field in f.base_fields.items()}
    return {name: field for name, field in found.items() if type(field) is kind}


def test_every_text_is_words_or_something_that_is_checked() -> None:
    assert set(list_fields(forms.CharField)) <= NO_WORDS
    assert list_fields(forms.EmailField) == {}


def test_every_whole_number_has_its_limits() -> None:
    fields = list_fields(forms.IntegerField)
    loose = {name for name, field in fields.items() if field.max_value is None and name != "AttemptForm.amount"}
    # The limits of a model's own numbers are the model's validators, which its form runs as well.
    assert {name for name in loose if not name.startswith("PrivacyForm.")} <= {"SetupForm.amount"}


@pytest.mark.parametrize("text", ["\u200b", "\u3164\ufeff", "a\u202eb", "a\0b", "x" * 100_000], ids=ascii)
def test_no_field_of_words_takes_what_nobody_means(text: str) -> None:
    fields = list_fields(WordsField)
    assert len(fields) >= 15
    for name, field in fields.items():
        if field.required or len(text) > 2:
            with pytest.raises(forms.ValidationError, match=r"\w+ \w+"):
                field.clean(text)
        else:
            assert field.clean(text) == "", name
