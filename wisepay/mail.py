"""E-mail: one template pair a message, a fixed Message-ID so that a repeat is seen as one."""

import re
import smtplib
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.defaultfilters import linebreaksbr
from django.template.loader import render_to_string
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from wisepay.errors import Unavailable


def send_mail(
    template: str,
    *,
    to: str,
    subject: str,
    message_id: str,
    context: dict[str, Any],
    sender_name: str = "",
    reply_to: str = "",
) -> None:
    """Render `<template>.txt` and `<template>.html` and send them.

    Raises Unavailable when the mail server cannot take it now, SMTPRecipientsRefused when it never will.
    """
    context = {"public_url": settings.PUBLIC_URL, "subject": subject, **context}
    address = settings.DEFAULT_FROM_EMAIL.rpartition("<")[2].rstrip(">")
    message = EmailMultiAlternatives(
        subject=" ".join(subject.split()),
        body=render_to_string(f"{template}.txt", context),
        from_email=f"{quote_display_name(sender_name)} <{address}>" if sender_name else settings.DEFAULT_FROM_EMAIL,
        to=[to],
        reply_to=[reply_to] if reply_to else [],
        headers={
            "Message-ID": f"<{message_id}@{urlsplit(settings.PUBLIC_URL).hostname}>",
            "Auto-Submitted": "auto-generated",
        },
    )
    message.attach_alternative(render_to_string(f"{template}.html", context), "text/html")
    try:
        message.send()
    except smtplib.SMTPRecipientsRefused:
        raise
    except (OSError, smtplib.SMTPException) as error:
        raise Unavailable(f"the mail server does not take mail now ({type(error).__name__})") from error


def render_text_as_html(text: str) -> SafeString:
    """Plain text as HTML, with links to our own pages and nowhere else: what strangers say may stand in it."""
    pieces = re.split(rf"({re.escape(settings.PUBLIC_URL)}/\S*)", text)
    return format_html_join(
        "",
        "{}",
        (
            (format_html('<a href="{0}" style="color:#0b5fd0">{0}</a>', piece) if at % 2 else linebreaksbr(piece),)
            for at, piece in enumerate(pieces)
        ),
    )


def quote_display_name(name: str) -> str:
    """A display name that is safe in a From header."""
    return '"' + " ".join(name.replace("\\", "").replace('"', "").split()) + '"'
