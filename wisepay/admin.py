"""The operators' admin: the outbox with its retry, users, the audit log and state changes."""

from typing import TYPE_CHECKING, Any

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from wisepay import clock, outbox
from wisepay.models import OutboxMessage, PageFinding, StateChange, User

if TYPE_CHECKING:
    OutboxModelAdmin = admin.ModelAdmin[OutboxMessage]
    UserModelAdmin = admin.ModelAdmin[User]
    AnyModelAdmin = admin.ModelAdmin[Any]
else:
    OutboxModelAdmin = UserModelAdmin = AnyModelAdmin = admin.ModelAdmin

admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]


class ReadOnlyAdmin(AnyModelAdmin):
    """Rows that may be viewed, never edited."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(OutboxMessage)
class OutboxAdmin(OutboxModelAdmin):
    """Outbox messages, with a retry."""

    list_display = ["key", "handler", "state", "attempts", "run_after", "last_error"]
    list_filter = ["state", "handler"]
    search_fields = ["key"]
    readonly_fields = [f.name for f in OutboxMessage._meta.fields]
    actions = ["retry"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.action(description="Deliver again now")
    def retry(self, request: HttpRequest, queryset: QuerySet[OutboxMessage]) -> None:
        for message in queryset.exclude(state="done"):
            outbox.retry_message(message, now=clock.now())


@admin.register(User)
class UserAdmin(UserModelAdmin):
    """Users; passwords are reset by mail, never set here."""

    list_display = ["email", "name", "is_active", "is_staff", "joined_at"]
    search_fields = ["email", "name"]
    fields = ["email", "name", "is_active", "is_staff", "is_superuser"]


class RemovableAdmin(ReadOnlyAdmin):
    """How somebody signs in: an operator removes what was lost, and neither reads nor writes its secrets."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return admin.ModelAdmin.has_delete_permission(self, request, obj)


class FactorAdmin(RemovableAdmin):
    """Second factors."""

    list_display = ["user", "type", "created_at", "last_used_at"]
    list_filter = ["type"]
    search_fields = ["user__email"]
    fields = ["user", "type", "created_at", "last_used_at"]


class SignOnAdmin(RemovableAdmin):
    """Accounts at other providers."""

    list_display = ["user", "provider", "uid", "date_joined", "last_login"]
    list_filter = ["provider"]
    search_fields = ["user__email", "uid"]
    fields = ["user", "provider", "uid", "date_joined", "last_login"]


@admin.register(StateChange)
class StateChangeAdmin(ReadOnlyAdmin):
    """Every state change of every stateful row."""

    list_display = ["at", "subject", "subject_id", "from_state", "to_state", "reason", "by"]
    list_filter = ["subject", "to_state"]


@admin.register(PageFinding)
class PageFindingAdmin(ReadOnlyAdmin):
    """What browsers reported of our pages, and what our own check found."""

    list_display = ["last_at", "source", "rule", "subject", "page", "count"]
    list_filter = ["source", "rule"]
