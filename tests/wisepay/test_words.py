"""Words that every page and mail owes its reader: the zone of a time, the browser by name, and no filler.

Mailbox providers and payers read "22:08" as their own time; a raw browser string tells nobody whether it was theirs
(liberapay#1640 and sentry#106107 are of the same family: a page that leaves its reader to guess).
"""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.template.loader import render_to_string
from django.test import Client

from tests.sign_in_steps import EMAIL, get_mailed_code, list_mails, submit_code, submit_password
from tests.tenants import PASSWORD, Tenant, deliver_outbox
from tests.wisepay.accounts.test_second_factors import set_up_app
from wisepay.accounts.sign_in_context import describe_browser
from wisepay.clock import format_instant

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = {path.relative_to(ROOT / "templates").as_posix(): path for path in ROOT.glob("templates/**/*.*")}
# Lists whose heading names the zone once.
NAMED_ABOVE = {"operators/audit.html": "When (UTC)", "reconciliation/day.html": "At, {{ merchant.time_zone }}"}
TIME_OF_DAY = re.compile(r"""(?:date|time):["'][^"']*[HGhgP]""")


def test_every_time_of_day_names_its_zone() -> None:
    bare = {name for name, path in TEMPLATES.items() if TIME_OF_DAY.search(path.read_text())}
    assert bare == set(NAMED_ABOVE), "{% when %} and |instant name the zone"
    for name, words in NAMED_ABOVE.items():
        assert words in TEMPLATES[name].read_text()


@pytest.mark.parametrize(
    ("zone", "words"),
    [
        ("Australia/Sydney", "30 Nov 2026, 00:08 AEDT"),
        ("America/New_York", "29 Nov 2026, 08:08 EST"),
        ("Pacific/Auckland", "30 Nov 2026, 02:08 NZDT"),
        ("America/Sao_Paulo", "29 Nov 2026, 10:08 UTC-03"),
        ("Asia/Kathmandu", "29 Nov 2026, 18:53 UTC+0545"),
        ("UTC", "29 Nov 2026, 13:08 UTC"),
    ],
)
def test_an_instant_is_written_with_its_zone(zone: str, words: str) -> None:
    assert format_instant(datetime(2026, 11, 29, 13, 8, tzinfo=UTC), zone) == words


def test_what_a_payer_reads_names_the_zone(tenant: Tenant) -> None:
    checkout = tenant.open_checkout()
    page = tenant.payer().get(f"/my/payments/{checkout.payment.reference}").content.decode()
    zone = r"\d\d:\d\d A[EC][SD]T"
    assert re.search(rf"Payable until.*{zone}", page, re.DOTALL)
    assert checkout.pay().status_code == 200
    deliver_outbox()
    receipts = [mail for mail in tenant.mails("accounts@harbourdental.example") if "eceipt" in mail["subject"]]
    assert receipts
    assert all(re.search(zone, mail["text"]) and re.search(zone, mail["html"]) for mail in receipts)


WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
BROWSERS = {
    f"{WINDOWS} AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36": "Chrome on Windows",
    f"{WINDOWS} AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0 Safari/537.36 Edg/141.0": "Edge on Windows",
    f"{WINDOWS} AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0 Safari/537.36 OPR/125.0": "Opera on Windows",
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0": "Firefox on Linux",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/26.0 Safari/605.1.15": (
        "Safari on macOS"
    ),
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 CriOS/141.0 Mobile Safari/604.1": (
        "Chrome on iPhone"
    ),
    "Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 SamsungBrowser/28.0 Chrome/130.0 Mobile Safari/537.36": (
        "Samsung Internet on Android"
    ),
    "curl/8.14.1": "an unknown browser",
    "": "an unknown browser",
    "<script>alert(1)</script>": "an unknown browser",
}


@pytest.mark.parametrize(("user_agent", "words"), BROWSERS.items(), ids=list(BROWSERS.values()))
def test_a_browser_is_called_as_its_user_knows_it(user_agent: str, words: str) -> None:
    assert describe_browser(user_agent) == words


@pytest.mark.parametrize("user_agent", list(BROWSERS)[:2])
def test_security_mails_and_the_list_of_sessions_name_browser_and_merchant(tenant: Tenant, user_agent: str) -> None:
    browser = Client(HTTP_USER_AGENT=user_agent)
    submit_password(browser)
    submit_code(browser, get_mailed_code(tenant.world))
    set_up_app(browser)
    browser.post(
        "/accounts/password/change/",
        {"oldpassword": PASSWORD, "password1": f"{PASSWORD}-anew", "password2": f"{PASSWORD}-anew"},
    )
    browser.post("/accounts/2fa/totp/deactivate/")
    mails = [mail for mail in list_mails(tenant.world) if "Something was changed" in mail["text"]]
    assert len(mails) >= 2
    for mail in mails:
        for text in (mail["text"], mail["html"]):
            assert BROWSERS[user_agent] in text
            assert tenant.merchant.name in text
            assert re.search(r"\d\d:\d\d UTC", text)
    code = next(mail for mail in list_mails(tenant.world, EMAIL) if "code for signing in" in mail["subject"])
    assert tenant.merchant.name in code["text"]
    assert not any("Mozilla/" in mail["text"] + mail["html"] for mail in list_mails(tenant.world))
    page = browser.get("/accounts/sessions/").content.decode()
    assert BROWSERS[user_agent] in page
    assert "Mozilla/" not in page, "the list of sessions"


NOT_OURS = {".venv", "tests", "sandbox"}
FILLERS = {
    "a limit that is none": re.compile(r"up to (?:some|several|a few)\b", re.IGNORECASE),
    "a link without a name": re.compile(r"\bclick (?:here|this link|below)\b", re.IGNORECASE),
    "a link called here": re.compile(r">\s*here\s*</a>", re.IGNORECASE),
}


@pytest.mark.parametrize("pattern", FILLERS.values(), ids=list(FILLERS))
def test_no_sentence_of_ours_is_filler(pattern: re.Pattern[str]) -> None:
    modules = [path for path in ROOT.glob("*/**/*.py") if path.relative_to(ROOT).parts[0] not in NOT_OURS]
    scripts = list(ROOT.glob("static/js/*.js"))
    assert [path.name for path in (*TEMPLATES.values(), *modules, *scripts) if pattern.search(path.read_text())] == []


def test_every_mail_has_the_same_button() -> None:
    styles = {
        style
        for name, path in TEMPLATES.items()
        if name.startswith("emails/")
        for style in re.findall(r'<a [^>]*style="([^"]*background[^"]*)"', path.read_text())
    }
    assert len(styles) == 1, styles


def test_the_paragraphs_of_terms_stand_apart(tenant: Tenant) -> None:
    text = render_to_string(
        "pay/terms.html", {"terms": tenant.merchant, "text": "One.\n\nTwo.\nThree.", "is_tick": True}
    )
    assert "<p>One.</p>" in text
    assert "<p>Two.<br>Three.</p>" in text
