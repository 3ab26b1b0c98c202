"""Mails and public addresses: each is made in one place, and every event has its two templates."""

import re
from pathlib import Path

import pytest

from sandbox.harness.sandbox_process import SandboxProcess
from tests.product import APPS
from wisepay.errors import Unavailable
from wisepay.mail import EmailRefused, build_from_header, list_refused_addresses, send_email

ROOT = Path(__file__).resolve().parents[2]
MODULES = {path.relative_to(ROOT).as_posix(): path.read_text() for app in APPS for path in ROOT.glob(f"{app}/**/*.py")}


@pytest.mark.parametrize(
    ("pattern", "homes"),
    [
        (r"\.PUBLIC_URL\b", {"wisepay/addresses.py"}),
        (
            r"\b(?:send_mail|send_mass_mail|mail_admins|mail_managers)\(|\bsmtplib\.SMTP\(",
            {"wisepay/accounts/adapters.py"},
        ),
        (r"\bmessage\.send\(", {"wisepay/mail.py"}),
    ],
    ids=["public addresses", "functions that send mail", "messages"],
)
def test_it_is_done_in_one_place(pattern: str, homes: set[str]) -> None:
    assert {name for name, text in MODULES.items() if re.search(pattern, text)} == homes


def test_every_mail_has_a_text_and_a_page() -> None:
    mails = ROOT / "templates" / "emails"
    texts, pages = ({path.stem for path in mails.glob(f"*.{kind}")} for kind in ("txt", "html"))
    assert pages - texts == {"layout", "account"}, "the frame of all, and of the mails that django-allauth writes"
    assert texts - pages == set()


INJECTIONS = [
    "Eve\r\nBcc: all@example.com",
    "Eve\n\n<h1>",
    'Eve" <x@evil.example>',
    "Eve\u2028Bcc: x",
    "E\\\\ve\x0bBcc: x",
]


class Sender:
    """A merchant whose name was written by somebody who wants more headers."""

    contact_email = "help@example.com"

    def __init__(self, name: str) -> None:
        self.name = name


@pytest.mark.parametrize("text", INJECTIONS, ids=ascii)
def test_no_name_adds_a_header_to_a_mail(db: None, world: SandboxProcess, text: str) -> None:
    send_email(
        "notification",
        "ada@example.com",
        {"title": text, "body": text, "url": "/"},
        subject=text,
        message_id="m1",
        sender=Sender(text),
    )
    [mail] = world.get("/mailbox/messages.json").json()["messages"]
    assert mail["to"] == ["ada@example.com"]
    assert "bcc" not in {str(name).lower() for name in mail.get("headers", {})}
    assert len(build_from_header(text).splitlines()) == 1


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        ("450 4.2.0 Greylisted, try again", Unavailable),
        ("452 4.2.2 Mailbox full", Unavailable),
        ("421 4.3.2 Shutting down", Unavailable),
        ("550 5.1.1 No such user", EmailRefused),
        ("554 5.7.1 Refused by policy", EmailRefused),
    ],
)
def test_a_server_that_says_later_is_asked_later_and_one_that_says_never_is_not(
    db: None, world: SandboxProcess, reply: str, error: type[Exception]
) -> None:
    address = "office@harbourdental.example"
    world.config(smtp_refusals={address: reply})
    words = {"title": "Paid", "body": "", "url": ""}
    with pytest.raises(error):
        send_email("notification", address, words, subject="Paid", message_id="x")
    found = list_refused_addresses([address.upper()])
    assert [row.reply for row in found.values()] == ([reply] if error is EmailRefused else [])
    world.config(smtp_refusals={})
    send_email("notification", address, words, subject="Paid", message_id="x")
    assert list_refused_addresses([address]) == {}
