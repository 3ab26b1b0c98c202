"""The demo: `python -m sandbox.harness.demo` starts the product and the practice world together, and stops them."""

import argparse
import json
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import redis
import requests

from sandbox.harness.environment import (
    INTUIT_WEBHOOK_VERIFIER,
    XERO_WEBHOOK_KEY,
    Ports,
    process_environment,
    product_environment,
    write_private_file,
)
from sandbox.harness.manage import store_environment
from sandbox.harness.processes import is_port_taken, read_last_lines
from sandbox.harness.servers import HomeInUse, Servers, default_home
from sandbox.harness.supervisor import ChildDied, Supervisor

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT = 90.0
ACCOUNTING_PACKAGES = {"xero": ("Xero", "/xero/organisations/au"), "quickbooks": ("QuickBooks", "/intuit/companies/au")}


class DemoCannotStart(Exception):
    """The demo cannot start; the message is a sentence for people."""


def main(arguments: list[str] | None = None) -> int:
    """Run until Ctrl-C, SIGTERM, or the death of a child. Exit status 0 only when asked to stop."""
    parser = argparse.ArgumentParser(prog="sandbox.harness.demo", description="Wise-Pay with a practice world.")
    parser.add_argument("--port", type=int, default=8000, help="where Wise-Pay answers")
    parser.add_argument("--sandbox-port", type=int, default=8001, help="where the practice world answers")
    parser.add_argument("--smtp-port", type=int, default=8025, help="where its mailbox takes mail")
    help_text = "whose books the merchant keeps; without it those of an earlier start, else Xero"
    parser.add_argument("--accounting", choices=sorted(ACCOUNTING_PACKAGES), help=help_text)
    parser.add_argument("--ready", type=Path, help="file that is written once everything answers")
    options = parser.parse_args(arguments)
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, _interrupt)
    ports = Ports(options.port, options.sandbox_port, options.smtp_port)
    demo = Demo(default_home(), ports, options.ready, accounting=options.accounting)
    try:
        demo.run()
    except KeyboardInterrupt:
        print_line("Stopped.")
        return 0
    except (DemoCannotStart, ChildDied, HomeInUse) as problem:
        print_line(f"\n{problem}")
        return 1
    return 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def print_line(text: str) -> None:
    """Print a line, if the terminal is still there."""
    with suppress(OSError):
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


class Demo:
    """One run of everything, in one home directory."""

    def __init__(self, home: Path, ports: Ports, ready: Path | None, *, accounting: str | None = None) -> None:
        self.home = home
        self.ports = ports
        self.ready = ready
        self.accounting = accounting
        self.seed_file = home / "seed.json"
        self.redis_url = ""
        self.seeded: dict[str, Any] = {}

    def run(self) -> None:
        """Start all, wait for the end, stop all. Raises `CannotStart`, `ChildDied`, `HomeInUse`."""
        self._check_ports()
        if self.ready:
            self.ready.unlink(missing_ok=True)
        print_line(f"Starting the demo in {self.home} …")
        with Servers(self.home) as servers:
            self.redis_url = servers.redis_url
            product = product_environment(
                self.home, self.ports, database_url=servers.database_url, redis_url=servers.redis_url
            )
            store_environment(self.home, product)
            with Supervisor(ROOT, self.home / "log", process_environment(product)) as family:
                self._start(family)
                self._announce()
                family.watch()

    def _start(self, family: Supervisor) -> None:
        ports = self.ports
        family.start(
            "sandbox", "-m", "sandbox", "--port", ports.sandbox, "--smtp-port", ports.smtp,
            "--state", self.home / "sandbox.json", "--wisepay", ports.web_url,
        )  # fmt: skip
        family.run("migrate", "manage.py", "migrate", "--noinput")
        family.start(
            "web", "-m", "gunicorn", "wisepay.wsgi", "-b", f"127.0.0.1:{ports.web}", "--workers", 2,
            "--threads", 4, "--worker-class", "gthread", "--no-control-socket", "--graceful-timeout", 5,
        )  # fmt: skip
        family.start(
            "worker", "-m", "celery", "-A", "wisepay", "worker", "--concurrency", 2, "--loglevel", "info",
            env={"PYTHONWARNINGS": "ignore:You're running the worker"},
        )  # fmt: skip
        family.start(
            "beat", "-m", "celery", "-A", "wisepay", "beat", "--pidfile=",
            "--schedule", self.home / "celerybeat-schedule", "--loglevel", "info",
        )  # fmt: skip
        family.wait("sandbox", lambda: is_answering(f"{ports.sandbox_url}/_control/health"), START_TIMEOUT)
        chosen = ("--accounting", self.accounting) if self.accounting else ()
        family.run("seed", "manage.py", "seed_psa", "--json", self.seed_file, *chosen)
        self.seeded = self._read_seed()
        self._hand_over()
        family.wait("web", lambda: is_answering(f"{ports.web_url}/health/ready"), START_TIMEOUT)
        family.wait("worker", self._worker_listens, START_TIMEOUT)

    def _check_ports(self) -> None:
        ports = self.ports
        for flag, port in (("port", ports.web), ("sandbox-port", ports.sandbox), ("smtp-port", ports.smtp)):
            if is_port_taken(port):
                raise DemoCannotStart(f"Port {port} is in use by another program; choose another with --{flag}.")

    def _read_seed(self) -> dict[str, Any]:
        try:
            seeded: dict[str, Any] = json.loads(self.seed_file.read_text())
        except (OSError, ValueError) as error:
            log = read_last_lines(self.home / "log" / "seed.log")
            raise DemoCannotStart(f"The seed left nothing readable in {self.seed_file}.\n{log}") from error
        self.seed_file.chmod(0o600)
        return seeded

    def _hand_over(self) -> None:
        """Give the practice services the quoting tool's key and the addresses of our webhooks."""
        web = self.ports.web_url
        xero = {"client": "sandbox-client", "url": f"{web}/webhooks/xero", "key": XERO_WEBHOOK_KEY}
        intuit = {"url": f"{web}/webhooks/intuit", "token": INTUIT_WEBHOOK_VERIFIER}
        orders: dict[str, dict[str, Any]] = {
            "_control/config": {
                "cpq_api_key": self.seeded["cpq_api_key"],
                "wisepay_url": web,
                "cpq_template": self.seeded["cpq_template"],
            },
            "xero/_control": {"subscribe": xero},
            "intuit/_control": {"webhook": intuit},
        }
        with requests.Session() as session:
            session.trust_env = False
            for path, order in orders.items():
                session.post(f"{self.ports.sandbox_url}/{path}", json=order, timeout=10).raise_for_status()

    def _worker_listens(self) -> bool:
        # The worker binds its own control queue when it begins to consume.
        with redis.Redis.from_url(self.redis_url) as client:
            return any(True for _ in client.scan_iter("*_kombu.binding.celery.pidbox"))

    def _make_cpq_link(self) -> str:
        """The link of a fresh quote that its customer accepted, as the practice Order Porter's template has it."""
        with requests.Session() as session:
            session.trust_env = False
            order = {"approve": {"like": "deposit"}}
            made = session.post(f"{self.ports.sandbox_url}/cpq/_control", json=order, timeout=10)
            made.raise_for_status()
            passcode = made.json()["approve"]["passcode"]
        return f"{self.ports.web_url}/q/{self.seeded['merchant']['reference']}?k={passcode}"

    def _announce(self) -> None:
        accounting, page = ACCOUNTING_PACKAGES[self.seeded["accounting"]]
        facts = {
            "web": self.ports.web_url,
            "sandbox": self.ports.sandbox_url,
            "mailbox": f"{self.ports.sandbox_url}/mailbox/",
            "order_porter": f"{self.ports.sandbox_url}/orderporter/",
            "cpq_link": self._make_cpq_link(),
            "accounting": accounting,
            "books": f"{self.ports.sandbox_url}{page}",
            "psa": f"{self.ports.sandbox_url}/psa/tenants/northwind",
            "cpq_api_key": self.seeded["cpq_api_key"],
            "merchant": self.seeded["merchant"],
        }
        print_line(format_summary(facts))
        if self.ready:
            write_private_file(self.ready, json.dumps(facts, indent=2) + "\n")


def is_answering(address: str) -> bool:
    """Whether this address answers 200."""
    try:
        with requests.Session() as session:
            session.trust_env = False
            return session.get(address, timeout=5, allow_redirects=False).status_code == 200
    except requests.RequestException:
        return False


def format_summary(facts: dict[str, Any]) -> str:
    """Where to click, as a tidy block of text."""
    merchant = facts["merchant"]
    rows = [
        ("1. Accept a quote", facts["order_porter"]),
        ("   or come by its link", facts["cpq_link"]),
        ("   and pay with", "4242 4242 4242 4242, any later date, any code"),
        ("2. The merchant's side", facts["web"]),
        ("   e-mail", merchant["email"]),
        ("   password", merchant["password"]),
        ("   code", "in the mailbox below"),
        ("3. Mail that was sent", facts["mailbox"]),
        (f"4. The books, in {facts['accounting']}", facts["books"]),
        ("5. The invoices, in ConnectWise PSA", facts["psa"]),
        ("6. All practice services", facts["sandbox"]),
        ("7. Operators' commands", 'make manage ARGS="doctor"'),
    ]
    lines = [f"  {label:<37}{value}" for label, value in rows]
    width = min(max(map(len, lines)) + 2, shutil.get_terminal_size().columns)
    rule = "─" * width
    return "\n".join(["", rule, "  The Wise-Pay demo is ready. Ctrl-C stops everything.", "", *lines, rule])


if __name__ == "__main__":
    sys.exit(main())
