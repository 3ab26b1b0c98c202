"""The operators' admin site: whatever is registered on it writes what operators do into the audit log."""

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin, messages
from django.db import models
from django.db.models import QuerySet
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from wisepay.audit import list_merchants_of, record_request_audit
from wisepay.audit_log.changes import describe_changes
from wisepay.forms import MailField, WordsField
from wisepay.input import UnreadableText, check_characters
from wisepay.models import User

if TYPE_CHECKING:
    AnyModelAdmin = admin.ModelAdmin[Any]
else:
    AnyModelAdmin = object


FILTER_LOOKUPS = ("", "exact", "in", "isnull", "gte", "lt")


def is_row_id(text: str) -> bool:
    """Whether a text can be the primary key of a row."""
    return text.isascii() and text.isdigit() and len(text) < 19


def has_unreadable(text: str) -> bool:
    """Whether a text holds characters that no words hold."""
    try:
        check_characters(text)
    except UnreadableText:
        return True
    return False


class AuditedAdmin(AnyModelAdmin):
    """Writes every addition, change, deletion and action into the log of the merchants that the row concerns.

    Words and addresses are read as on every other page.
    """

    formfield_overrides: ClassVar[Any] = {
        models.CharField: {"form_class": WordsField},
        models.EmailField: {"form_class": MailField},
    }

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The list; what no query can take is answered with the list as it is without it."""
        if not all(is_row_id(one) for one in request.POST.getlist("_selected_action")):
            messages.error(request, "Choose rows of the list. Nothing was changed.")
            return redirect(request.path)
        if any(has_unreadable(value) for values in request.GET.lists() for value in values[1]):
            messages.error(request, "The filter holds characters that nothing here has.")
            return redirect(request.path)
        return super().changelist_view(request, extra_context)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """The row; an empty name of a field means the primary key, which Django takes for a name."""
        return super().get_object(request, object_id, from_field or None)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Whether a list may be asked for this: only as its own filters do, never by patterns."""
        name, _, how = lookup.partition("__")
        return name in self.list_filter and how in FILTER_LOOKUPS and super().lookup_allowed(lookup, value, request)

    def save_model(self, request: HttpRequest, obj: models.Model, form: BaseForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        action = "operator.changed" if change else "operator.added"
        record_operator_act(request, action, obj, detail=describe_changes(form))

    def delete_model(self, request: HttpRequest, obj: models.Model) -> None:
        record_operator_act(request, "operator.deleted", obj)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for obj in queryset:
            record_operator_act(request, "operator.deleted", obj)
        super().delete_queryset(request, queryset)

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        """Run an action of the list; Django's own deletion is written row by row above."""
        name = request.POST.get("action", "")
        chosen = queryset.filter(pk__in=request.POST.getlist("_selected_action")[:100])
        rows = list(chosen) if name and name != "delete_selected" else []
        answer = super().response_action(request, queryset, *args, **kwargs)
        for row in rows if answer is not None else []:
            record_operator_act(request, "operator.acted", row, detail=name)
        return answer


def record_operator_act(request: HttpRequest, action: str, obj: models.Model, *, detail: str = "") -> None:
    """Write an operator's act into the log of each merchant that the row concerns, else into ours."""
    person = obj if isinstance(obj, User) else getattr(obj, "user", None)
    person = person if isinstance(person, User) else None
    for merchant_id in list_merchants_of_row(obj, person):
        record_request_audit(
            request,
            action,
            merchant_id=merchant_id,
            subject=f"{obj._meta.verbose_name} {obj}",
            detail=detail,
            about=person,
        )


def list_merchants_of_row(obj: models.Model, person: User | None) -> list[int | None]:
    """The merchant that a row belongs to, or those of its user: their employers, and whom they pay."""
    if obj._meta.label_lower == "merchants.merchant":
        return [obj.pk]
    merchant_id = getattr(obj, "merchant_id", None)
    return [merchant_id] if merchant_id else list_merchants_of(person, is_payer_included=True)


class OperatorsSite(admin.AdminSite):
    """Django's admin site, with every registered class made an audited one."""

    site_header = site_title = "Wise-Pay operators"

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        base = admin_class or admin.ModelAdmin
        audited = type(base.__name__, (AuditedAdmin, base), {"__module__": base.__module__, "__doc__": base.__doc__})
        super().register(model_or_iterable, audited, **options)
