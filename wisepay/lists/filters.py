"""Filters of lists: what a person looks for, all of which stands in the address."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import django_filters
from django import forms
from django.db.models import QuerySet

from wisepay.clock import get_day_start
from wisepay.forms import DayField
from wisepay.input import parse_search
from wisepay.money import InvalidAmount, parse_major_units

ONE_DAY = timedelta(days=1)
EARLIEST, LATEST = date(1970, 1, 2), date(2199, 12, 30)


class SearchField(forms.CharField):
    """What somebody searches for; what no words hold is dropped."""

    def to_python(self, value: Any) -> str:
        """The words."""
        return parse_search("" if value is None else str(value))


class TypedAmountField(forms.CharField):
    """An amount in major units of any currency, as people type it; cleans to a Decimal, or None."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            max_length=20, widget=forms.TextInput(attrs={"inputmode": "decimal", "class": "num"}), **kwargs
        )

    def clean(self, value: Any) -> Decimal | None:
        """The amount. Raises ValidationError."""
        text = str(super().clean(value)).strip()
        try:
            return parse_major_units(text) if text else None
        except InvalidAmount as error:
            raise forms.ValidationError(str(error)) from None


class SearchFilter(django_filters.CharFilter):
    """The search box of a list."""

    field_class = SearchField


class DayFilter(django_filters.DateFilter):
    """A day of the merchant's zone."""

    field_class = DayField

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(input_formats=["%Y-%m-%d"], widget=forms.DateInput(attrs={"type": "date"}), **kwargs)


class AmountFilter(django_filters.CharFilter):
    """An amount in major units."""

    field_class = TypedAmountField


class ChoiceFilter(django_filters.ChoiceFilter):
    """One of several; none of them is "Any"."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(empty_label=kwargs.pop("empty_label", "Any"), **kwargs)


class ListFilters(django_filters.FilterSet):
    """The filters of a list, as the address has them. Days are those of `zone`."""

    def __init__(self, data: Mapping[str, Any], queryset: QuerySet[Any], *, zone: ZoneInfo) -> None:
        self.zone = zone
        super().__init__(data, queryset=queryset)

    def pass_all(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """All rows: what is asked for is the list's own, as its search is."""
        return rows

    def get_start(self, day: date) -> datetime:
        """The instant at which a day begins."""
        return get_day_start(min(max(day, EARLIEST), LATEST), self.zone)

    def get_end(self, day: date) -> datetime:
        """The instant at which a day is over."""
        return get_day_start(min(max(day, EARLIEST), LATEST) + ONE_DAY, self.zone)
