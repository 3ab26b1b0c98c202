"""Form fields that several floors use."""

from typing import Any

from django import forms

from wisepay.money import InvalidAmount, Money


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
