"""The filter of the audit log's pages."""

from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms

from wisepay.audit_log.descriptions import KINDS
from wisepay.forms import DayField, WordsField


class AuditFilterForm(forms.Form):
    """Person, kind, days and text; every field may be left empty."""

    person = forms.ChoiceField(required=False)
    kind = forms.ChoiceField(choices=[("", "Everything"), *KINDS.items()], required=False)
    first = DayField(label="From", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    last = DayField(label="To", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    q = WordsField(label="Text", required=False, max_length=120, widget=forms.SearchInput())

    def __init__(self, *args: Any, people: list[str], zone: ZoneInfo, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.zone = zone
        field = self.fields["person"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 (declared above)
        field.choices = [("", "Everybody"), *((email, email) for email in people)]

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if found.get("first") and found.get("last") and found["first"] > found["last"]:
            self.add_error("last", "The last day can't be before the first.")
        return found

    def get_filters(self) -> dict[str, Any]:
        """What `filter_entries` takes; days are those of the zone, both of them whole."""
        found = self.cleaned_data
        first, last = found.get("first"), found.get("last")
        return {
            "person": found["person"],
            "kind": found["kind"],
            "since": datetime.combine(first, time.min, self.zone) if first else None,
            "until": datetime.combine(last + timedelta(days=1), time.min, self.zone) if last else None,
            "text": found["q"],
        }
