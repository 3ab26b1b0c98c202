"""Operators' pages of merchants: who works where, in which role, and who is invited."""

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest

from merchants.members import end_membership, is_last_administrator
from merchants.models import MemberInvitation, Membership, Role
from wisepay import clock
from wisepay.admin import ReadOnlyAdmin, RemovableAdmin


@admin.register(Membership)
class MembershipAdmin(RemovableAdmin):
    """Who works where. An operator removes people, and invites an administrator with `invite_administrator`."""

    list_display = ("merchant", "user", "role")
    list_select_related: ClassVar[list[str]] = ["merchant", "user", "role"]
    search_fields = ("merchant__name", "user__email")
    actions = None  # one after the other, so that the last administrator stays

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and not (obj and is_last_administrator(obj))

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        end_membership(obj, by=None, now=clock.now())


@admin.register(MemberInvitation)
class MemberInvitationAdmin(ReadOnlyAdmin):
    """Who is invited to work where."""

    list_display = ("merchant", "email", "role", "sent_at", "expires_at", "accepted_at", "withdrawn_at")
    list_select_related: ClassVar[list[str]] = ["merchant", "role"]
    search_fields = ("merchant__name", "email")
    exclude = ("token_digest",)


@admin.register(Role)
class RoleAdmin(ReadOnlyAdmin):
    """What the merchants' roles may do."""

    list_display = ("merchant", "name", "kind", "rights_in_words", "refund_limit", "requires_second_factor")
    list_select_related: ClassVar[list[str]] = ["merchant"]
    search_fields = ("merchant__name", "name")
