"""Mails and public addresses: each is made in one place, and every event has its two templates."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
APPS = ("wisepay", "merchants", "connections", "payers", "payments", "accounting", "quotes")
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
