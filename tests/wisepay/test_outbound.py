"""Requests to addresses that others name: which hosts and addresses are refused, and what is connected to."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pytest_django import Settings

from wisepay.outbound import find_host_problem, is_allowed_address, open_session

INTERNAL_HOSTS = [
    "intranet", "localhost", "foo.localhost", "printer.local", "db.internal", "metadata.google.internal",
    "metadata.example.com", "instance-data.ec2.example", "router.lan", "nas.home", "x.corp", "host.docker",
    "10.0.0.1.nip.io", "nip.io", "*.nip.io", "a-10-0-0-1.sslip.io", "*.sslip.io", "app.localtest.me", "x.lvh.me",
    "127.0.0.1", "10.0.0.1", "[::1]", "::1", "0x7f000001", "2130706433", "127.1", "0177.0.0.1", "1.1.1.1",
    "kubernetes.default.svc", "api.svc.cluster", "router.home.arpa", "DB.Internal", "db.internal.",
]  # fmt: skip
OPEN_WILDCARDS = [
    "*.com", "*.uk", "*.co.uk", "*.com.au", "*.co.nz", "*.org.au", "*.github.io", "*.azurewebsites.net", "*.vercel.app",
    "*.eu.ngrok.io", "*.s3.amazonaws.com", "*.HEROKUAPP.com", "*.127-0-0-1.org.uk",
]  # fmt: skip
PUBLIC_HOSTS = ["na1.orderporter.com", "*.orderporter.com", "quotes.northwind-it.example", "local.example.com"]
PUBLIC_HOSTS += [
    "quotes.github.io",
    "northwind.azurewebsites.net",
    "*.northwind.com.au",
    "co.example.com",
    "*.example.co.uk",
]
REFUSED = [
    "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "192.0.0.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "::", "::1", "fe80::1", "fc00::1",
    "fd12::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1",
    "64:ff9b:1::a00:1", "2002:7f00:1::", "2002:a00:1::1", "2001:db8::1", "fec0::1", "::127.0.0.1",
    "3fff::1", "::ffff:0:127.0.0.1", "fd00:ec2::254", "100.100.100.200",
]  # fmt: skip
ALLOWED = ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "64:ff9b::101:101"]


@pytest.mark.parametrize("host", INTERNAL_HOSTS)
def test_names_of_the_inside_are_refused(host: str) -> None:
    assert find_host_problem(host)


@pytest.mark.parametrize("host", OPEN_WILDCARDS)
def test_wildcards_below_which_anybody_has_a_name_are_refused(host: str) -> None:
    """publicsuffix.org lists names below which strangers live side by side."""
    assert find_host_problem(host)


@pytest.mark.parametrize("host", PUBLIC_HOSTS)
def test_public_names_are_taken(host: str) -> None:
    assert find_host_problem(host) == ""


@pytest.mark.parametrize("address", REFUSED)
def test_addresses_of_the_inside_are_refused(address: str, settings: Settings) -> None:
    settings.DEMO = False
    assert not is_allowed_address(ip_address(address))


@pytest.mark.parametrize("address", ALLOWED)
def test_public_addresses_are_taken(address: str, settings: Settings) -> None:
    settings.DEMO = False
    assert is_allowed_address(ip_address(address))


def test_the_operator_may_allow_a_network(settings: Settings) -> None:
    settings.DEMO, settings.OUTBOUND_ALLOWED_NETWORKS = False, ["10.1.2.0/24", "fd00:1::/48"]
    answers = [is_allowed_address(ip_address(one)) for one in ("10.1.2.9", "10.1.3.9", "fd00:1::5", "fd00:2::5")]
    assert answers == [True, False, True, False]


@contextmanager
def server(response: bytes, *, context: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[str]]]:
    """A server on loopback; its port, and a line for everybody who connected: their SNI, or "plain"."""
    seen: list[str] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def answer(connection: socket.socket) -> None:
        if context is None:
            seen.append("plain")
            connection.recv(65536)
            connection.sendall(response)
            return
        with context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(65536)
            secured.sendall(response)

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                answer(connection)

    if context is not None:
        context.sni_callback = lambda _socket, name, _context: seen.append(str(name))
    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listening.getsockname()[1], seen
    finally:
        listening.close()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """A name server of the test: for each name the answers of one query after the other."""
    table: dict[str, list[list[str]]] = {}
    real = socket.getaddrinfo

    def answer(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in table:
            return real(host, port, *args, **kwargs)
        found = table[host].pop(0) if len(table[host]) > 1 else table[host][0]
        kind = {True: socket.AF_INET6, False: socket.AF_INET}
        return [(kind[":" in ip], socket.SOCK_STREAM, 6, "", (ip, port)) for ip in found]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return table


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["::1"], ["::ffff:127.0.0.1"]])
def test_a_name_that_leads_inside_is_not_connected_to(
    names: dict[str, list[list[str]]], settings: Settings, addresses: list[str]
) -> None:
    settings.DEMO = False
    with server(OK) as (port, seen):
        names["cpq.example.com"] = [addresses]
        with open_session() as session, pytest.raises(requests.ConnectionError, match="internal address"):
            session.post(f"http://cpq.example.com:{port}/callback", timeout=2)
        assert seen == []


def test_a_name_server_that_answers_differently_the_second_time_gains_nothing(
    names: dict[str, list[list[str]]], settings: Settings
) -> None:
    settings.DEMO, settings.OUTBOUND_ALLOWED_NETWORKS = False, ["127.0.0.1/32"]
    names["cpq.example.com"] = [["127.0.0.1"], ["10.0.0.1"]]
    with server(OK) as (port, seen), open_session() as session:
        assert session.post(f"http://cpq.example.com:{port}/callback", timeout=2).text == "ok"
        assert seen == ["plain"]


def test_a_redirect_is_not_followed(settings: Settings, names: dict[str, list[list[str]]]) -> None:
    settings.DEMO = True
    names["cpq.example.com"] = [["127.0.0.1"]]
    with server(OK) as (inner, inside):
        location = f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{inner}/\r\nContent-Length: 0\r\n\r\n"
        with server(location.encode()) as (port, _), open_session() as session:
            for follow in (False, True):
                answer = session.post(f"http://cpq.example.com:{port}/", timeout=2, allow_redirects=follow)
                assert answer.status_code == 302
        assert inside == []


def test_a_proxy_of_the_environment_is_not_used(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, names: dict[str, list[list[str]]]
) -> None:
    settings.DEMO = False
    names["cpq.example.com"] = [["127.0.0.1"]]
    with server(OK) as (port, seen):
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
        with open_session() as session, pytest.raises(requests.ConnectionError):
            session.post("http://cpq.example.com/", timeout=2)
        assert seen == []


def test_the_certificate_is_checked_against_the_name_and_not_the_address(
    tmp_path: Path, settings: Settings, names: dict[str, list[list[str]]]
) -> None:
    settings.DEMO = True
    names["cpq.example.com"] = names["other.example.com"] = [["127.0.0.1"]]
    authority = tmp_path / "ca.pem"
    with server(OK, context=create_tls_context(tmp_path, "cpq.example.com")) as (port, seen), open_session() as session:
        session.verify = str(authority)
        assert session.post(f"https://cpq.example.com:{port}/", timeout=3).text == "ok"
        with pytest.raises(requests.exceptions.SSLError):
            session.post(f"https://other.example.com:{port}/", timeout=3)
        assert seen == ["cpq.example.com", "other.example.com"]


def create_tls_context(folder: Path, name: str) -> ssl.SSLContext:
    """A server's context with a certificate of its own for `name`, which is written into the folder as ca.pem."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
    return context
