"""Filters that ask whether somebody may open a page, so that nobody is shown what they may not do."""

from django import template

from merchants.access import get_needed_rights
from merchants.models import Membership
from wisepay.money import Money

register = template.Library()


@register.filter
def may_open(membership: Membership | str | None, name: str) -> bool:
    """Whether the member may read the page of this name: `{% if request.membership|may_open:"merchants:people" %}`."""
    return may_send(membership, name, "GET")


@register.filter
def may_post(membership: Membership | str | None, name: str) -> bool:
    """Whether the member may send the form of the page of this name."""
    return may_send(membership, name, "POST")


@register.filter
def hundredths(amount: int) -> str:
    """So many minor units as a number of two decimals, for limits that hold in any currency: 50000 is 500.00."""
    return Money(amount, "USD").plain


def may_send(membership: Membership | str | None, name: str, method: str) -> bool:
    """Whether the member has one of the rights that the page asks for; who is no member has none."""
    return isinstance(membership, Membership) and membership.may(*get_needed_rights(name).list_for(method))
