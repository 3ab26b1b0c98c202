"""Form fields that several floors use."""

from datetime import date
from typing import Any

from django import forms
from django.core.validators import MaxLengthValidator

from wisepay.input import UnreadableText, check_characters, normalise_text
from wisepay.money import InvalidAmount, Money

LAST_ROW_ID = 2**63 - 1


class WordsField(forms.CharField):
    """A line of words that a person writes, normalised as `normalise_text` says; nothing visible counts as empty.

    `max_length` counts what is stored, so it is given to every one of them.
    """

    has_lines = False

    def __init__(self, *, max_length: int, **kwargs: Any) -> None:
        super().__init__(max_length=max_length, **kwargs)

    def to_python(self, value: Any) -> str:
        """The words in the form that is stored. Raises ValidationError for characters that no words hold."""
        text = "" if value is None else str(value)
        # Composing a long text is work: what is far too long is refused by its length before.
        if self.max_length and len(text) > self.max_length * 4:
            raise forms.ValidationError(MaxLengthValidator.message, "max_length", self._describe_length(text))
        try:
            return normalise_text(text, has_lines=self.has_lines)
        except UnreadableText as error:
            raise forms.ValidationError(str(error), code="characters") from None

    def _describe_length(self, text: str) -> dict[str, Any]:
        return {"limit_value": self.max_length, "show_value": len(text), "value": text}


class ParagraphsField(WordsField):
    """Words of several lines."""

    widget = forms.Textarea
    has_lines = True


class MailField(forms.EmailField):
    """An e-mail address of at most 254 characters; quoted ones that hold control characters are refused as well."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 254} | kwargs)

    def to_python(self, value: Any) -> str:
        """The address without spaces around it. Raises ValidationError for characters that no address holds."""
        text = super().to_python(value) or ""
        try:
            check_characters(text)
        except UnreadableText as error:
            raise forms.ValidationError(str(error), code="characters") from None
        return text


class DayField(forms.DateField):
    """A day that calendars and zones can deal with: from 1970 to 2199."""

    default_error_messages = {"range": "Choose a day from 1970 to 2199."}

    def to_python(self, value: Any) -> date | None:
        """The day, or None. Raises ValidationError."""
        found: date | None = super().to_python(value)
        if found is not None and not 1970 <= found.year < 2200:
            raise forms.ValidationError(self.error_messages["range"], code="range")
        return found


class RowIdField(forms.IntegerField):
    """The id of a row that a page showed, such as of accepted terms; larger than any is no id."""

    default_error_messages = {"invalid": "Reload the page and choose again."}

    def to_python(self, value: Any) -> int | None:
        """The id, or None. Raises ValidationError for what can be no row's."""
        found = super().to_python(value)
        if found is not None and not 1 <= found <= LAST_ROW_ID:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return found


class AmountField(forms.CharField):
    """An amount of money that a person enters; cleans to `Money`, or to None when an optional one is left empty.

    `minimum` and `maximum` are minor units of `currency`. The error messages "min_amount" and "max_amount" may name
    the limit as `%(limit)s`.
    """

    default_error_messages = {
        "min_amount": "Enter at least %(limit)s.",
        "max_amount": "Enter at most %(limit)s.",
    }

    def __init__(self, currency: str, *, minimum: int = 0, maximum: int | None = None, **kwargs: Any) -> None:
        self.currency, self.minimum, self.maximum = currency, minimum, maximum
        attributes = {"inputmode": "decimal", "autocomplete": "off", "class": "num"}
        super().__init__(max_length=20, widget=forms.TextInput(attrs=attributes), **kwargs)

    def clean(self, value: Any) -> Money | None:
        """Parse what the person typed, and check the limits. Raises ValidationError."""
        text = str(super().clean(value)).strip()
        if not text and not self.required:
            return None
        try:
            money = Money.parse_typed(text, self.currency)
        except InvalidAmount as error:
            raise forms.ValidationError(str(error)) from None
        self._check_limit("min_amount", self.minimum, is_met=money.amount >= self.minimum)
        if self.maximum is not None:
            self._check_limit("max_amount", self.maximum, is_met=money.amount <= self.maximum)
        return money

    def _check_limit(self, code: str, limit: int, *, is_met: bool) -> None:
        if not is_met:
            message = self.error_messages[code]
            raise forms.ValidationError(message, code=code, params={"limit": Money(limit, self.currency)})
