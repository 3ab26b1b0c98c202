"""Operators' pages of merchants: who works where, and what they may do."""

from typing import ClassVar

from django.contrib import admin

from merchants.models import Membership


@admin.register(Membership)
class MembershipAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # at run time it takes no type
    """Roles and rights."""

    list_display = ("merchant", "user", "role", "may_add_payers")
    list_select_related: ClassVar[list[str]] = ["merchant", "user"]
    search_fields = ("merchant__name", "user__email")
    raw_id_fields = ("merchant", "user")
