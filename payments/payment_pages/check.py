"""Tamper detection: the own payment page is fetched as a payer gets it, and compared with the inventory."""

from collections.abc import Iterator
from datetime import datetime
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import requests
import structlog
from django.conf import settings
from django.templatetags.static import static
from django.utils.csp import CSP

from payments.models import Payment
from payments.payment_pages.element import PAGE_SCRIPTS, PAYMENT_PAGE_CSP
from wisepay import outbox
from wisepay.addresses import build_public_url, get_public_netloc
from wisepay.mail import send_email
from wisepay.models import PageFinding, User
from wisepay.outbox import handler
from wisepay.page_findings import record_page_finding
from wisepay.scripts import compute_integrity, hash_content

log = structlog.get_logger(__name__)
PAGE = "pay/guest"
TIMEOUT = (3, 10)  # seconds to connect, seconds to answer
DATA_TYPES = ("application/json", "application/ld+json")
EMBEDDING_TAGS = ("iframe", "object", "embed", "base", "applet")
Finding = tuple[str, str]  # which rule, and what is against it


class PageReader(HTMLParser):
    """Collects from a page all that could run or lead elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[dict[str, str]] = []
        self.others: list[Finding] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "script" and found.get("type") not in DATA_TYPES:
            self.scripts.append(found)
        if tag in EMBEDDING_TAGS:
            self.others.append((f"unexpected <{tag}>", found.get("src") or found.get("href") or ""))
        self.others += [("script in an attribute", name) for name in found if name.startswith("on")]
        self.others += [
            ("script in a link", tag) for value in found.values() if value.lower().startswith("javascript:")
        ]
        if (
            tag == "form"
            and urlsplit(urljoin(build_public_url("/"), found.get("action", ""))).netloc != get_public_netloc()
        ):
            self.others.append(("form that leads elsewhere", found["action"]))


def check_payment_page(*, now: datetime) -> list[Finding] | None:
    """Fetch a payment page and record what is not as it was shipped; None while there is no page to fetch.

    Every new finding is written to the log, shown by `doctor` and mailed to the operators.
    """
    payment = Payment.objects.filter(state="open", needs_account=False, expires_at__gt=now).order_by("-pk").first()
    if payment is None:
        return None
    try:
        answer = requests.get(f"{payment.pay_url}/guest", timeout=TIMEOUT, allow_redirects=False)
        found = list(compare_page(answer.text, dict(answer.headers))) if answer.ok else [fetch_failure(answer)]
    except requests.RequestException as error:
        found = [("page cannot be fetched", type(error).__name__)]
    for rule, subject in found:
        record_page_finding(source=PageFinding.Source.CHECK, rule=rule, subject=subject, page=PAGE, now=now)
    if found:
        log.error("payment_page.changed", findings=[f"{rule}: {subject}" for rule, subject in found])
        alert_operators(now=now)
    return found


def fetch_failure(answer: requests.Response) -> Finding:
    """What is said of an answer that is no page."""
    return "page cannot be fetched", f"status {answer.status_code}"


def compare_page(html: str, headers: dict[str, str]) -> Iterator[Finding]:
    """What of a page and its headers is not as the inventory says."""
    reader = PageReader()
    reader.feed(html)
    yield from reader.others
    ours = {urljoin(build_public_url("/"), static(one.source)): one.source for one in PAGE_SCRIPTS if one.is_ours}
    vendors = {one.url for one in PAGE_SCRIPTS if not one.is_ours}
    for script in reader.scripts:
        url = urljoin(build_public_url("/"), script.get("src", ""))
        if not script.get("src"):
            yield "script that stands in the page", script.get("type", "")
        elif url in ours:
            yield from compare_script(url, ours[url], script.get("integrity", ""))
        elif script["src"] not in vendors:
            yield "script that is not in the inventory", url
    yield from compare_headers({name.lower(): value for name, value in headers.items()})


def compare_headers(headers: dict[str, str]) -> Iterator[Finding]:
    """Which headers, by their names in small letters, are not those of a payment page."""
    if parse_policy(headers.get("content-security-policy", "")) != parse_policy(write_policy()):
        yield "header that differs", "Content-Security-Policy"
    for name, value in (("x-frame-options", "DENY"), ("x-content-type-options", "nosniff")):
        if headers.get(name) != value:
            yield "header that differs", name
    if settings.SECURE_HSTS_SECONDS and "strict-transport-security" not in headers:
        yield "header that differs", "strict-transport-security"


def compare_script(url: str, path: str, integrity: str) -> Iterator[Finding]:
    """Whether a script of ours has its hash in the page, and is served as it was shipped."""
    expected = compute_integrity(path)
    if integrity != expected:
        yield "script without its hash", path
    try:
        served = requests.get(url, timeout=TIMEOUT, allow_redirects=False)
    except requests.RequestException as error:
        yield "script cannot be fetched", f"{path}: {type(error).__name__}"
        return
    if not served.ok or hash_content(served.content) != expected:
        yield "script that was changed", path


def write_policy() -> str:
    """The policy of the payment pages as a header, without the nonce of one answer."""
    return "; ".join(f"{name} {' '.join(map(str, values))}" for name, values in PAYMENT_PAGE_CSP.items())


def parse_policy(header: str) -> dict[str, frozenset[str]]:
    """A policy's directives; the nonce, another one in every answer, is called the same everywhere."""
    found = {}
    for text in header.split(";"):
        name, *values = text.split() or [""]
        found[name] = frozenset("nonce" if is_nonce(value) else value for value in values)
    return found


def is_nonce(value: str) -> bool:
    """Whether a source is the nonce, or what stands for it."""
    return value.startswith("'nonce-") or value == str(CSP.NONCE)


def alert_operators(*, now: datetime) -> None:
    """Mail every operator, at most once a day."""
    for user in User.objects.filter(is_superuser=True, is_active=True):
        outbox.enqueue(f"page:{now:%Y-%m-%d}:{user.pk}", "payments.alert_operator", user_id=user.pk)


@handler("payments.alert_operator")
def alert_operator(*, user_id: int, **_: object) -> None:
    """Mail one operator what was found on the payment page."""
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None:
        return
    findings = PageFinding.objects.filter(source=PageFinding.Source.CHECK).order_by("-last_at")[:20]
    send_email(
        "page_changed",
        user.email,
        {"findings": list(findings)},
        subject="The payment page is not as it was shipped",
        message_id=f"page-changed-{user.reference}-{findings[0].pk if findings else 0}",
    )
