"""Tamper detection: a payment page as shipped passes, and each way of changing it is found and told."""

import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from pytest_django import Settings

from payments.payment_pages.check import check_payment_page
from payments.payment_pages.element import PAGE_SCRIPTS
from tests.tenants import Checkout, Tenant
from wisepay import clock
from wisepay.models import PageFinding
from wisepay.scripts import compute_integrity

Page = tuple[str, dict[str, str]]


class ShopHost:
    """What stands at our public address: the pages that the product made, or what somebody made of them."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[int, dict[str, str], bytes]] = {}
        files = self.files

        class Handler(BaseHTTPRequestHandler):
            """Answers with the files."""

            def do_GET(self) -> None:
                status, headers, body = files.get(self.path, (404, {}, b""))
                self.send_response(status)
                for name, value in headers.items():
                    if name != "Content-Length":
                        self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def host() -> Iterator[ShopHost]:
    """A host of its own for our public address."""
    found = ShopHost()
    thread = threading.Thread(target=found.server.serve_forever)
    thread.start()
    yield found
    found.server.shutdown()
    found.server.server_close()
    thread.join()


@pytest.fixture
def page(checkout: Checkout, host: ShopHost, settings: Settings) -> str:
    """The path of a payment page, which the host serves as it was shipped."""
    path = f"{checkout.path}/guest"
    answer = Client().get(path)
    host.files[path] = (200, dict(answer.headers), answer.content)
    for script in (one.source for one in PAGE_SCRIPTS if one.is_ours):
        with open(str(finders.find(script)), "rb") as file:
            host.files[f"/static/{script}"] = (200, {}, file.read())
    settings.PUBLIC_URL = host.url
    return path


def find() -> list[str]:
    """What the check says."""
    found = check_payment_page(now=clock.now())
    assert found is not None
    return [f"{rule}: {subject}" for rule, subject in found]


def test_a_page_as_it_was_shipped_passes(page: str) -> None:
    assert find() == []
    assert PageFinding.objects.count() == 0


def inject(text: str) -> Callable[[Page], Page]:
    """Put something at the end of the page."""
    return lambda page: (page[0].replace("</body>", f"{text}</body>"), page[1])


def replace(pattern: str, by: str) -> Callable[[Page], Page]:
    """Change the page's text."""
    return lambda page: (re.sub(pattern, by, page[0]), page[1])


def set_header(name: str, value: str) -> Callable[[Page], Page]:
    """Change a header."""
    return lambda page: (page[0], page[1] | {name: value})


TAMPERINGS: dict[str, tuple[Callable[[Page], Page], str]] = {
    "a skimmer": (inject('<script src="https://evil.example/s.js"></script>'), "script that is not in the inventory"),
    "a skimmer on our host": (inject('<script src="/static/js/s.js"></script>'), "script that is not in the inventory"),
    "a script in the page": (inject("<script>steal()</script>"), "script that stands in the page"),
    "a handler": (inject('<img src="x" onerror="steal()">'), "script in an attribute"),
    "a link that runs": (inject('<a href="javascript:steal()">x</a>'), "script in a link"),
    "a frame": (inject('<iframe src="https://evil.example"></iframe>'), "unexpected <iframe>"),
    "another base": (inject('<base href="https://evil.example/">'), "unexpected <base>"),
    "another form": (inject('<form action="https://evil.example/pay"></form>'), "form that leads elsewhere"),
    "another Stripe": (
        replace(r'src="http[^"]*stripe\.js"', 'src="https://evil.example/stripe.js"'),
        "script that is not in the inventory",
    ),
    "no hash": (replace(r' integrity="[^"]+"', ""), "script without its hash"),
    "no policy": (set_header("Content-Security-Policy", ""), "header that differs: Content-Security-Policy"),
    "a looser policy": (
        set_header("Content-Security-Policy", "default-src *"),
        "header that differs: Content-Security-Policy",
    ),
    "framing": (set_header("X-Frame-Options", "ALLOWALL"), "header that differs: x-frame-options"),
}


@pytest.mark.parametrize("how", TAMPERINGS)
def test_every_way_of_changing_the_page_is_found(page: str, host: ShopHost, how: str) -> None:
    change, expected = TAMPERINGS[how]
    status, headers, body = host.files[page]
    text, headers = change((body.decode(), headers))
    assert (text, headers) != (body.decode(), host.files[page][1])
    host.files[page] = (status, headers, text.encode())
    assert any(line.startswith(expected) for line in find())


def test_a_script_that_was_changed_is_found_and_the_operators_are_told_once_a_day(
    page: str, host: ShopHost, tenant: Tenant, deliver: Callable[..., int]
) -> None:
    tenant.user.is_superuser = True
    tenant.user.save()
    host.files["/static/js/paynow.js"] = (200, {}, b"steal()")
    assert find() == ["script that was changed: js/paynow.js"]
    assert find() == ["script that was changed: js/paynow.js"]
    assert PageFinding.objects.get().count == 2
    deliver()
    [mail] = [m for m in tenant.mails(tenant.user.email) if "not as it was shipped" in m["subject"]]
    assert "js/paynow.js" in mail["text"]


def test_a_page_that_does_not_come_is_told_too(page: str, host: ShopHost) -> None:
    host.files[page] = (502, {}, b"")
    assert find() == ["page cannot be fetched: status 502"]


def test_without_a_page_there_is_nothing_to_check(db: None) -> None:
    assert check_payment_page(now=clock.now()) is None


def test_the_pages_name_the_hash_of_each_of_our_scripts(checkout: Checkout, tenant: Tenant) -> None:
    for client, path in ((Client(), f"{checkout.path}/guest"), (tenant.admin, tenant.url()), (tenant.payer(), "/my/")):
        scripts = re.findall(r"<script[^>]* src=\"/static/([^\"]+)\"[^>]*>", client.get(path).content.decode())
        html = client.get(path).content.decode()
        assert scripts
        assert all(f'integrity="{compute_integrity(name)}"' in html for name in scripts)
