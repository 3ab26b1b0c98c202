"""E-mail: every one goes through `send_email`, or through `deliver_email` where django-allauth wrote it."""

import re
import smtplib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.defaultfilters import linebreaksbr
from django.template.loader import render_to_string
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from wisepay import clock
from wisepay.addresses import build_public_url, get_public_host
from wisepay.errors import Unavailable
from wisepay.models import RefusedEmailAddress


class EmailRefused(Exception):
    """The mail server will never take this mail; the message says why."""


class EmailSender(Protocol):
    """In whose name a mail goes out, and who gets the replies: a merchant."""

    @property
    def name(self) -> str: ...

    @property
    def contact_email(self) -> str: ...


def send_email(
    event: str,
    recipient: str,
    context: Mapping[str, Any],
    *,
    subject: str,
    message_id: str,
    sender: EmailSender | None = None,
    attachments: Sequence[tuple[str, bytes, str]] = (),
) -> None:
    """Send the mail about `event`, rendered from emails/<event>.txt and .html, to one address.

    `sender` is the merchant in whose name it goes, which the templates call `merchant`; None is Wise-Pay.
    The same `message_id` marks a repeat of the same mail. `attachments` are file name, content and media type.
    Raises Unavailable when the mail server cannot take it now, EmailRefused when it never will.
    """
    values = {"public_url": build_public_url(""), "subject": subject, "merchant": sender, **context}
    message = EmailMultiAlternatives(
        subject=" ".join(subject.split()),
        body=render_to_string(f"emails/{event}.txt", values),
        from_email=build_from_header(sender.name) if sender else settings.DEFAULT_FROM_EMAIL,
        to=[recipient],
        reply_to=[sender.contact_email] if sender and sender.contact_email else [],
        headers={"Message-ID": f"<{message_id}@{get_public_host()}>", "Auto-Submitted": "auto-generated"},
    )
    message.attach_alternative(render_to_string(f"emails/{event}.html", values), "text/html")
    for name, content, media_type in attachments:
        message.attach(name, content, media_type)
    deliver_email(message)


def deliver_email(message: EmailMultiAlternatives) -> None:
    """Hand a mail to the mail server.

    Raises Unavailable when it cannot take it now, such as a 4xx of greylisting, EmailRefused when it never will.
    """
    try:
        message.send()
    except (OSError, smtplib.SMTPException) as error:
        code, reply = get_refusal(error)
        if code >= 500:
            record_refused_address(message.to[0], f"{code} {reply}")
            raise EmailRefused(f"The mail server refused the mail to {message.to[0]}: {code} {reply}") from error
        raise Unavailable(f"the mail server does not take mail now ({code or type(error).__name__})") from error
    RefusedEmailAddress.objects.filter(address__in=[to.lower() for to in message.to]).delete()


def record_refused_address(address: str, reply: str) -> None:
    """Record that an address takes no mail, for the pages of who wrote to it."""
    RefusedEmailAddress.objects.update_or_create(
        address=address.lower()[:254], defaults={"reply": reply[:250], "refused_at": clock.now()}
    )


def list_refused_addresses(addresses: Iterable[str]) -> dict[str, RefusedEmailAddress]:
    """Those of the addresses to which the last mail was refused for good, by address in lower case. One query."""
    wanted = {address.lower() for address in addresses if address}
    return {row.address: row for row in RefusedEmailAddress.objects.filter(address__in=wanted)}


def get_refusal(error: Exception) -> tuple[int, str]:
    """The SMTP reply code and text of a refusal that is about this mail or its recipient; 0 for all other errors."""
    reply: bytes | str
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, reply = next(iter(error.recipients.values()))
    elif isinstance(error, smtplib.SMTPDataError):
        code, reply = error.smtp_code, error.smtp_error
    else:
        return 0, ""
    text = reply.decode(errors="replace") if isinstance(reply, bytes) else str(reply)
    return int(code), " ".join(text.split())[:200]


def render_text_as_html(text: str) -> SafeString:
    """Render plain text as HTML, with links to our own pages only: the text may contain what strangers wrote."""
    pieces = re.split(rf"({re.escape(build_public_url('/'))}\S*)", text)
    return format_html_join(
        "",
        "{}",
        (
            (format_html('<a href="{0}" style="color:#0b5fd0">{0}</a>', piece) if at % 2 else linebreaksbr(piece),)
            for at, piece in enumerate(pieces)
        ),
    )


def build_from_header(display_name: str) -> str:
    """Our address under a name that is made safe for the header."""
    address = settings.DEFAULT_FROM_EMAIL.rpartition("<")[2].rstrip(">")
    name = " ".join(display_name.replace("\\", "").replace('"', "").split())
    return f'"{name}" <{address}>'
