"""The views that a person saved of a merchant's lists: what stands in the address, under a name."""

from dataclasses import dataclass

from django_subatomic.db import transaction

from merchants.models import Membership

MAX_VIEWS = 20
LIST_PAGES: dict[str, str] = {}  # the page of each list, by the list's name


@dataclass(frozen=True, slots=True)
class SavedView:
    """A view that a person saved of a list: its name, and what stands in the address."""

    name: str
    query: str


class ViewRefused(Exception):
    """The view can't be saved; the message says why."""


def register_list(name: str, page: str) -> None:
    """Say which page shows a list, so that its views lead back to it."""
    LIST_PAGES[name] = page


def list_saved_views(membership: Membership, name: str) -> list[SavedView]:
    """The views that the person saved of this list at this merchant, by name."""
    return [SavedView(view, query) for view, query in sorted(membership.saved_views.get(name, {}).items())]


def save_view(membership: Membership, name: str, *, view: str, query: str) -> None:
    """Save a view, in the place of one of the same name. Raises ViewRefused."""
    with transaction():
        row = Membership.objects.select_for_update().get(pk=membership.pk)
        views = row.saved_views.setdefault(name, {})
        if view not in views and len(views) >= MAX_VIEWS:
            raise ViewRefused(f"You have {MAX_VIEWS} views of this list. Remove one first.")
        views[view] = query
        row.save(update_fields=["saved_views"])


def remove_view(membership: Membership, name: str, *, view: str) -> bool:
    """Remove a view; False if there is none of that name."""
    with transaction():
        row = Membership.objects.select_for_update().get(pk=membership.pk)
        found = row.saved_views.get(name, {}).pop(view, None)
        row.save(update_fields=["saved_views"])
    return found is not None
