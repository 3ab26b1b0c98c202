"""Template filters and tags: money, state badges, instants in the merchant's time zone."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from wisepay.accounts.sessions import find_zone
from wisepay.accounts.sign_in_context import Destination, describe_browser, find_destination
from wisepay.clock import format_instant
from wisepay.input import end_once
from wisepay.models import User
from wisepay.money import Money
from wisepay.scripts import compute_integrity

register = template.Library()

# state -> (tone of the badge, what a person reads)
BADGES = {
    "open": ("quiet", "Open"),
    "overdue": ("bad", "Overdue"),
    "created": ("quiet", "Starting"),
    "processing": ("busy", "Processing"),
    "requires_action": ("busy", "Waiting for the bank"),
    "succeeded": ("good", "Paid"),
    "paid": ("good", "Paid"),
    "saved": ("good", "Method saved"),
    "failed": ("bad", "Failed"),
    "cancelled": ("quiet", "Cancelled"),
    "expired": ("quiet", "Expired"),
    "withdrawn": ("quiet", "Withdrawn"),
    "reversed": ("bad", "Reversed"),
    "refunded": ("good", "Refunded"),
    "settling": ("busy", "Bank debit on its way"),
    "returned": ("bad", "Bank debit returned"),
    "disputed": ("bad", "Disputed"),
    "inquiry": ("busy", "Bank asks about it"),
    "part_lost": ("bad", "Dispute lost in part"),
    "refunding": ("busy", "Refund on its way"),
    "part_refunded": ("good", "Refunded in part"),
    "resolved": ("quiet", "Resolved"),
    "undone": ("quiet", "Taken out of the books"),
    "by_hand": ("quiet", "Settled by hand"),
    "active": ("good", "Active"),
    "invalid": ("bad", "Not usable"),
    "invited": ("busy", "Invited"),
    "registered": ("good", "Registered"),
    "won": ("good", "Won"),
    "lost": ("bad", "Lost"),
    "pending": ("busy", "Waiting"),
    "sent": ("busy", "Sending"),
    "posted": ("good", "In the books"),
    "rejected": ("bad", "Refused"),
    "draft": ("busy", "Draft"),
    "approved": ("good", "Approved"),
    "applied": ("good", "Applied"),
    "removed": ("quiet", "Removed"),
    "voided": ("quiet", "Voided"),
    "deleted": ("quiet", "Deleted"),
    "never": ("quiet", "Not connected"),
    "connected": ("good", "Connected"),
    "broken": ("bad", "Broken"),
    "disconnected": ("quiet", "Disconnected"),
    "scheduled": ("busy", "Scheduled"),
    "in_flight": ("busy", "Pending"),
    "held": ("bad", "Needs a person"),
    "on_hold": ("busy", "On hold"),
    "paused": ("quiet", "Paused"),
    "settled": ("good", "Settled"),
    "planned": ("busy", "Planned"),
    "waiting": ("busy", "Waiting for the invoice"),
    "undecided": ("bad", "Choose the invoice"),
    "unconfirmed": ("bad", "Write the first one"),
    "sending": ("busy", "Sending"),
    "written": ("good", "Written"),
    "present": ("good", "There already"),
    "refused": ("bad", "Refused"),
    "unclear": ("bad", "Unclear"),
    "removing": ("busy", "Being taken back"),
    "stuck": ("bad", "Needs a person"),
    "asked": ("busy", "Payer is asked"),
    "proposed": ("busy", "Waiting for the payer"),
    "reading": ("busy", "Reading"),
    "ready": ("busy", "Preview"),
    "running": ("busy", "Running"),
    "finished": ("good", "Finished"),
    "blocked": ("bad", "Not made"),
    "dismissed": ("quiet", "Dismissed"),
    "ended": ("quiet", "Ended"),
    "done": ("good", "Done"),
    "dead": ("bad", "Stopped"),
}


@register.filter
def money(value: Money) -> str:
    """Format money for people, for example A$625.00. Raises TypeError for anything else."""
    if not isinstance(value, Money):
        raise TypeError("|money takes Money")
    return str(value)


@register.simple_tag
def badge(state: str) -> SafeString:
    """Render the badge of a state."""
    tone, text = BADGES[state]
    return format_html('<span class="badge badge-{}" data-state="{}">{}</span>', tone, state, text)


@register.filter
def ended_once(value: object) -> str:
    """One full stop at the end of a sentence that ends with a name such as Lakeshore Freight Inc."""
    return end_once(str(value))


@register.filter
def in_zone(value: datetime | None, zone: str) -> datetime | None:
    """Convert to the time zone named `zone`, naive on purpose so that no filter shifts it again."""
    return value.astimezone(ZoneInfo(zone)).replace(tzinfo=None) if value else None


@register.simple_tag
def when(value: datetime | None, zone: str = "UTC") -> SafeString:
    """Render an instant as `<time>` in the zone."""
    if value is None:
        return format_html('<span class="muted">{}</span>', "never")
    text = format_instant(value, zone)
    return format_html('<time datetime="{}" title="{}">{}</time>', value.astimezone(UTC).isoformat(), zone, text)


@register.simple_tag
def own_zone(user: User) -> str:
    """The time zone in which the user reads when something happened, for `when`."""
    return find_zone(user)


@register.simple_tag
def integrity(path: str) -> str:
    """The hash of a static script, for its `integrity` attribute."""
    return compute_integrity(path)


@register.filter
def browser_name(user_agent: str) -> str:
    """The browser that names itself so, as its user knows it."""
    return capfirst(describe_browser(user_agent or ""))


@register.filter
def instant(value: datetime, zone: str) -> str:
    """The instant in the zone, which it names, for mails of plain text."""
    return format_instant(value, zone)


@register.simple_tag
def destination(path: str | None) -> Destination | None:
    """What the page at `path`, to which somebody goes after signing in, is for."""
    return find_destination(path or "")
