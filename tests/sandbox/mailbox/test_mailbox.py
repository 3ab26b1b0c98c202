"""The practice mailbox takes mail by SMTP and shows it."""

import smtplib
from email.message import EmailMessage
from typing import Any

import pytest
import requests

from sandbox.core.world import World
from sandbox.harness.sandbox_process import SandboxProcess
from sandbox.mailbox.messages import MAX_MESSAGES, list_messages, store_message
from sandbox.mailbox.views import link_addresses


def build_mail(subject: str = "Your receipt", *, to: str = "accounts@harbourdental.example") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Wise-Pay <pay@msp.example>"
    message["To"] = to
    message["Subject"] = subject
    message.set_content("Paid. See http://127.0.0.1:8000/receipt/abc.\n<script>alert(1)</script>")
    message.add_alternative('<p>Paid</p><script>alert(1)</script><a href="/x">x</a>', subtype="html")
    return message


def send_mail(sandbox: SandboxProcess, message: EmailMessage) -> None:
    with smtplib.SMTP("127.0.0.1", sandbox.smtp_port, timeout=10) as client:
        client.send_message(message)


def fetch_messages(sandbox: SandboxProcess, **params: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sandbox.get("/mailbox/messages.json", params=params).json()["messages"]
    return found


def test_a_delivered_message_is_listed_newest_first(sandbox: SandboxProcess) -> None:
    send_mail(sandbox, build_mail("First"))
    send_mail(sandbox, build_mail("Zweite: Zahlung über ¥1.000 ✓", to="other@example.com"))
    assert [message["subject"] for message in fetch_messages(sandbox)] == ["Zweite: Zahlung über ¥1.000 ✓", "First"]
    page = sandbox.get("/mailbox/").text
    assert page.index("Zweite") < page.index("First")


def test_the_list_can_be_narrowed_to_one_recipient(sandbox: SandboxProcess) -> None:
    send_mail(sandbox, build_mail("For accounts"))
    send_mail(sandbox, build_mail("For another", to="other@example.com"))
    assert [m["subject"] for m in fetch_messages(sandbox, to="Accounts@HarbourDental.example")] == ["For accounts"]
    assert "For another" not in sandbox.get("/mailbox/", params={"to": "accounts@harbourdental.example"}).text


def test_a_message_shows_its_text_headers_and_framed_html(sandbox: SandboxProcess) -> None:
    send_mail(sandbox, build_mail())
    (message,) = fetch_messages(sandbox)
    page = sandbox.get(f"/mailbox/{message['id']}").text
    assert f'src="/mailbox/{message["id"]}/html"' in page
    assert "Wise-Pay &lt;pay@msp.example&gt;" in page
    assert 'href="http://127.0.0.1:8000/receipt/abc"' in page
    assert "<script>" not in page


def test_the_html_part_is_served_powerless(sandbox: SandboxProcess) -> None:
    send_mail(sandbox, build_mail())
    (message,) = fetch_messages(sandbox)
    answer = sandbox.get(f"/mailbox/{message['id']}/html")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-popups ")
    assert "script-src" not in policy
    assert "default-src 'none'" in policy
    assert "<p>Paid</p>" in answer.text


def test_an_unknown_message_is_not_found(sandbox: SandboxProcess) -> None:
    assert requests.get(f"{sandbox.url}/mailbox/msg_unknown", timeout=10).status_code == 404


def test_the_mailbox_can_be_emptied(sandbox: SandboxProcess) -> None:
    send_mail(sandbox, build_mail())
    assert requests.post(f"{sandbox.url}/mailbox/", timeout=10).status_code == 200
    assert fetch_messages(sandbox) == []


def test_only_the_newest_five_hundred_are_kept() -> None:
    world = World()
    for number in range(MAX_MESSAGES + 3):
        raw = f"Subject: {number}\r\n\r\nHello\r\n".encode()
        store_message(world, sender="a@b.example", recipients=["c@d.example"], raw=raw)
    saved = list_messages(world)
    assert len(saved) == MAX_MESSAGES
    assert saved[0]["subject"] == str(MAX_MESSAGES + 2)
    assert saved[-1]["subject"] == "3"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"no headers at all",
        b"Content-Type: text/plain; charset=martian\r\n\r\nh\xe9llo",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n",
    ],
)
def test_a_damaged_message_is_kept_all_the_same(raw: bytes) -> None:
    world = World()
    store_message(world, sender="", recipients=[], raw=raw)
    assert len(list_messages(world)) == 1


def test_addresses_in_text_become_links_and_all_else_is_escaped() -> None:
    html = link_addresses('See <b> http://127.0.0.1/a?b=1&c="2" (or http://localhost/d).')
    assert "<b>" not in html
    assert '<a href="http://127.0.0.1/a?b=1&amp;c=" rel=' in html
    assert '<a href="http://localhost/d" rel=' in html
