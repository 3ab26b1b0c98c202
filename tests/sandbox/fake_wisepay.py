"""A throw-away Wise-Pay for the practice Order Porter, and what Wise-Pay and customers say to it."""

import hashlib
import hmac
import json
import re
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlencode

import requests

from sandbox.harness.sandbox_process import SandboxProcess

API_KEY = "key-of-the-merchant"
ACCEPTANCE = {"terms": "yes", "signature": "Accounts Payable"}


class FakeWisePay:
    """A throw-away Wise-Pay: remembers the requests and answers what the test laid out."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.answer: tuple[int, dict[str, str], Any] = (201, {}, {})
        self.status_requests: list[str] = []
        self.known: dict[str, Any] = {}
        self.drop_next = False
        self.delay = 0.0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.requests.append((self.path, headers, json.loads(raw)))
                if outer.drop_next:
                    outer.drop_next = False
                    self.connection.close()
                    return
                time.sleep(outer.delay)
                self.reply(*outer.answer)

            def do_GET(self) -> None:
                outer.status_requests.append(self.path)
                self.reply(200 if outer.known else 500, {}, outer.known)

            def reply(self, status: int, headers: dict[str, str], content: Any) -> None:
                data = json.dumps(content).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(data))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def answer_with_checkout(self, checkout: str = "chk_1", status: int = 201) -> None:
        self.answer = (status, {}, {"id": checkout, "status": "open", "url": f"{self.url}/pay/{checkout}"})

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def create_quote_like(sandbox: SandboxProcess, like: str) -> dict[str, Any]:
    quotes: list[dict[str, Any]] = sandbox.get("/orderporter/quotes.json").json()["quotes"]
    return next(quote for quote in quotes if quote["like"] == like)


def get_quote(sandbox: SandboxProcess, quote: dict[str, Any]) -> dict[str, Any]:
    quotes: list[dict[str, Any]] = sandbox.get("/orderporter/quotes.json").json()["quotes"]
    return next(known for known in quotes if known["key"] == quote["key"])


def accept_quote(quote: dict[str, Any], **form: str) -> requests.Response:
    return requests.post(quote["url"], data={**ACCEPTANCE, **form}, timeout=10, allow_redirects=False)


def sign_message(message: bytes) -> str:
    return hmac.new(API_KEY.encode(), message, hashlib.sha256).hexdigest()


def build_return_url(quote: dict[str, Any], status: str, *, at: int | None = None, **changes: str) -> str:
    """The address to which Wise-Pay sends the customer back."""
    parameters = {
        "wisepay_checkout": "chk_1",
        "wisepay_status": status,
        "wisepay_amount": "1250.00",
        "wisepay_currency": "AUD",
        "wisepay_reference": "WP-77",
        "wisepay_time": str(at or int(time.time())),
        **changes,
    }
    message = "\n".join(f"{name}={value}" for name, value in sorted(parameters.items()))
    parameters["wisepay_signature"] = sign_message(message.encode())
    return f"{quote['url']}&{urlencode(parameters)}"


def send_callback(
    sandbox: SandboxProcess,
    quote: dict[str, Any],
    status: str,
    *,
    at: int | None = None,
    delivery: str = "",
    forged: bool = False,
    **payment: Any,
) -> requests.Response:
    report = {
        "id": "chk_1",
        "status": status,
        "quote": {"id": quote["id"], "version": quote["version"]},
        "payment": payment or None,
    }
    body = json.dumps(report).encode()
    moment = at or int(time.time())
    mac = sign_message(f"{moment}.".encode() + body)
    headers = {
        "Content-Type": "application/json",
        "Wisepay-Event": f"checkout.{status}",
        "Wisepay-Delivery": delivery or str(uuid.uuid4()),
        "Wisepay-Signature": f"t={moment},v1={'0' * 64 if forged else mac}",
    }
    return requests.post(f"{sandbox.url}/orderporter/callback", data=body, headers=headers, timeout=10)


def get_outcome(page: str) -> str | None:
    found = re.search(r'data-outcome="(\w+)"', page)
    return found[1] if found else None
