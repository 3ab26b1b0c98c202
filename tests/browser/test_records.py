"""What is written down, given out and forgotten, in a running demo: over HTTP and by the operator's commands.

No browser is needed but for one thing: that a real one reports what the policy of the payment page stopped.
"""

import json
import re
from typing import Any
from uuid import uuid4

import pytest
import requests
from playwright.sync_api import Browser

from tests.browser.demo import Demo, Payer, wait_until

PASSWORD = "correct-horse-battery"
SEAL = 150.0  # seconds: entries are sealed each minute, and a slow machine needs some more
# Somebody with an account and access to every company of the demo; answers the cookie of their session.
JOIN_SCRIPT = """
import sys
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone
from payers.models import Payer, PayerAccess, PayerCompany
from wisepay.models import User
user = User.objects.create_user({email!r}, {password!r}, name="Robin Recorded")
fresh = {{"state_at": timezone.now()}}
Payer.objects.create(user=user, state="registered", phone="02 5550 7777", **fresh)
for company in PayerCompany.objects.all():
    PayerAccess.objects.create(user=user, company=company, state="active", scope="own", origin="invited", **fresh)
session = SessionStore()
session[SESSION_KEY] = str(user.pk)
session[BACKEND_SESSION_KEY] = "allauth.account.auth_backends.AuthenticationBackend"
session[HASH_SESSION_KEY] = user.get_session_auth_hash()
session.save()
print("cookie", settings.SESSION_COOKIE_NAME, session.session_key)
"""
TAMPER_SCRIPT = """
from django.db import DatabaseError, connection
with connection.cursor() as cursor:
    try:
        cursor.execute("UPDATE wisepay_auditentry SET action = 'payment.refunded'")
    except DatabaseError as error:
        print(error)
"""


class Person:
    """Somebody at the demo's pages, without a browser."""

    def __init__(self, demo: Demo, *, name: str = "", key: str = "") -> None:
        self.demo, self.session = demo, requests.Session()
        if name:
            self.session.cookies.set(name, key)

    def get(self, path: str) -> requests.Response:
        """GET a page."""
        return self.session.get(self.demo.web + path, timeout=30)

    def post(self, path: str, *, of: str, **form: str) -> requests.Response:
        """POST a form that the page `of` shows, without following where it leads."""
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.get(of).text)
        assert token, of
        fields = {"csrfmiddlewaretoken": token[1], **form}
        headers = {"Referer": self.demo.web + of}
        return self.session.post(self.demo.web + path, fields, headers=headers, allow_redirects=False, timeout=30)


@pytest.fixture
def email() -> str:
    """An address that nobody had."""
    return f"robin-{uuid4().hex[:8]}@harbourdental.example"


@pytest.fixture
def person(demo: Demo, email: str) -> Person:
    """Somebody with an account, signed in."""
    said = demo.manage("shell", "--no-imports", "-c", JOIN_SCRIPT.format(email=email, password=PASSWORD))
    cookie = re.search(r"cookie (\S+) (\S+)", said)
    assert cookie
    return Person(demo, name=cookie[1], key=cookie[2])


def count_sealed(demo: Demo) -> int:
    """How many entries verify_audit found sealed; it fails for anything else."""
    found = re.search(r"in order: (\d+) entries are sealed", demo.manage("verify_audit"))
    assert found
    return int(found[1])


def list_csp_reports(demo: Demo) -> int:
    """How many reports the doctor tells of."""
    found = re.search(r"csp reports\s+(\d+) of", demo.try_to_manage("doctor"))
    return int(found[1]) if found else 0


def test_what_happens_is_sealed_by_the_demos_own_beat_and_nobody_changes_it(demo: Demo, email: str) -> None:
    before = count_sealed(demo)
    answer = Person(demo).post("/accounts/login/", of="/accounts/login/", login=email, password="wrong")
    assert answer.status_code == 200
    assert wait_until(lambda: count_sealed(demo) > before, within=SEAL)
    assert "append-only" in demo.manage("shell", "--no-imports", "-c", TAMPER_SCRIPT)
    assert count_sealed(demo) > before


def test_a_payer_downloads_and_erases_their_data_and_the_log_stays_whole(
    demo: Demo, person: Person, email: str
) -> None:
    page = "/my/data"
    assert person.post(f"{page}/download", of=page).headers["Location"].startswith("/accounts/reauthenticate/")
    again = person.post("/accounts/reauthenticate/", of="/accounts/reauthenticate/", password=PASSWORD)
    assert again.status_code == 302
    file = person.post(f"{page}/download", of=page)
    assert file.headers["Content-Disposition"].startswith("attachment")
    assert "no-store" in file.headers["Cache-Control"]
    text = json.dumps(file.json())
    assert all(word in text for word in (email, "Robin Recorded", "02 5550 7777"))
    assert "pbkdf2" not in text
    assert person.post(f"{page}/erase", of=page).status_code == 422
    assert person.post(f"{page}/erase", of=page, confirm="on").headers["Location"] == "/accounts/login/"
    assert person.get("/my/").url.startswith(f"{demo.web}/accounts/login/")
    assert "nothing is stored" in demo.try_to_manage("export_person", email)
    count_sealed(demo)  # in order, however many there are yet


def test_an_operator_exports_and_erases_a_person_by_the_address(demo: Demo, person: Person, email: str) -> None:
    assert person.get("/my/").status_code == 200
    tables: dict[str, Any] = json.loads(demo.manage("export_person", email))["tables"]
    assert {"wisepay.User", "payers.Payer"} <= set(tables)
    assert "--yes erases it" in demo.try_to_manage("erase_person", email)
    assert "wisepay.User" in demo.manage("erase_person", email, "--yes")
    assert "nothing is stored" in demo.try_to_manage("export_person", email)
    assert person.get("/my/").url.startswith(f"{demo.web}/accounts/login/")
    count_sealed(demo)


def test_a_report_is_counted_and_told_by_the_doctor(demo: Demo) -> None:
    before = list_csp_reports(demo)
    found = {
        "document-uri": f"{demo.web}/pay/x",
        "violated-directive": "script-src",
        "blocked-uri": "https://e.example",
    }
    kind = {"Content-Type": "application/csp-report"}
    answer = requests.post(f"{demo.web}/csp-reports", json.dumps({"csp-report": found}), headers=kind, timeout=10)
    assert answer.status_code == 204
    assert list_csp_reports(demo) == before + 1


@pytest.mark.browser
def test_a_browser_reports_a_script_that_does_not_belong_on_the_payment_page(demo: Demo, chromium: Browser) -> None:
    """PCI DSS v4.0.1, 11.6.1: unauthorised changes as the payer's browser sees them."""
    before = list_csp_reports(demo)
    context = chromium.new_context()
    page = context.new_page()
    Payer(demo, page).accept(demo.create_quote())
    page.goto(f"{page.url}/guest")
    injected = "https://skimmer.example/card.js"
    page.evaluate(
        "url => document.head.append(Object.assign(document.createElement('script'), { src: url }))", injected
    )
    assert wait_until(lambda: list_csp_reports(demo) > before)
    context.close()
