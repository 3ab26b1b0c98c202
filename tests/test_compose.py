"""The container files: sound structure, no secret left out, and every command one that really exists."""

import ast
import importlib.metadata
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from celery.bin.celery import celery
from click import Command, Group
from django.conf import settings as django_settings
from django.core.management import get_commands
from gunicorn.config import Config  # type: ignore[import-untyped]

from tests.product import APPS

ROOT = Path(__file__).resolve().parent.parent
COMPOSE = (ROOT / "docker-compose.yml").read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE)["services"]
EXAMPLE = (ROOT / ".env.example").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PRODUCT = ("migrate", "web", "worker", "beat")
VARIABLE = re.compile(r"\$\{(\w+)(:[?-])?[^}]*\}")


def command_of(name: str) -> list[str]:
    """What the service runs: its own command, or the image's."""
    if "command" in SERVICES[name]:
        return [str(part) for part in SERVICES[name]["command"]]
    found = re.search(r"^CMD (\[.*?\])$", DOCKERFILE.replace("\\\n", ""), re.M)
    assert found
    return [str(part) for part in yaml.safe_load(found[1])]


def check_command(command: list[str]) -> None:
    """Read a command as its program would; raises for an unknown option, command or module."""
    program, *arguments = command
    if program == "gunicorn":
        parsed = Config().parser().parse_args(arguments)
        assert importlib.util.find_spec(parsed.args[0])
    elif program == "celery":
        option, module, name, *rest = arguments
        assert option == "-A"
        assert importlib.util.find_spec(f"{module}.celery")
        subcommand = celery.commands[name]
        assert isinstance(subcommand, Command)
        subcommand.parse_args(subcommand.make_context(name, [], resilient_parsing=True), rest)
    else:
        assert [program, arguments[0]] == ["python", "manage.py"]
        assert arguments[1] in get_commands()


def test_all_parts_of_an_installation_are_there() -> None:
    assert set(SERVICES) == {*PRODUCT, "caddy", "postgres", "valkey", "mailpit"}


@pytest.mark.parametrize("name", PRODUCT)
def test_a_product_process_runs_a_command_that_exists(name: str) -> None:
    check_command(command_of(name))


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"migrate"}))
def test_every_lasting_service_has_a_health_check_and_comes_back(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
    assert SERVICES[name]["restart"] == "unless-stopped"


def test_the_web_health_check_is_python_and_asks_a_path_that_exists() -> None:
    *_, source = SERVICES["web"]["healthcheck"]["test"]
    compile(source, "healthcheck", "exec")
    assert '"/health/ready"' in source


def test_the_worker_health_check_is_a_celery_command() -> None:
    text = SERVICES["worker"]["healthcheck"]["test"][1].replace("$$HOSTNAME", "host")
    program, _, _, name, *_ = shlex.split(text)
    assert program == "celery"
    assert name in celery.commands
    assert isinstance(celery.commands[name], Command | Group)


@pytest.mark.parametrize("name", ["web", "worker", "beat"])
def test_product_processes_wait_for_a_migrated_database(name: str) -> None:
    conditions = {other: needs["condition"] for other, needs in SERVICES[name]["depends_on"].items()}
    assert conditions == {
        "postgres": "service_healthy",
        "valkey": "service_healthy",
        "migrate": "service_completed_successfully",
    }


@pytest.mark.parametrize("name", PRODUCT)
def test_product_processes_have_no_powers_they_do_not_need(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert "USER wisepay" in DOCKERFILE


def test_images_are_pinned_to_an_exact_version() -> None:
    images = {service["image"] for service in SERVICES.values()} - {"wisepay:local"}
    images |= set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.M))
    assert len(images) >= 4
    exact = re.compile(r"[\w./-]+:v?\d+\.\d+(\.\d+)?(-[\w.]+)*(@sha256:[0-9a-f]{64})?")
    assert [image for image in images if not exact.fullmatch(image)] == []


def test_the_product_is_no_superuser_of_the_database() -> None:
    user = re.match(r"postgresql://(\w+):", SERVICES["web"]["environment"]["DATABASE_URL"])
    assert user
    assert user[1] != SERVICES["postgres"]["environment"]["POSTGRES_USER"]
    assert user[1] == SERVICES["postgres"]["environment"]["WISEPAY_DATABASE"]
    script = next(v for v in SERVICES["postgres"]["volumes"] if "/docker-entrypoint-initdb.d/" in v).split(":")[0]
    assert (ROOT / script).read_text().startswith("#!/bin/sh")
    assert all("POSTGRES_ADMIN_PASSWORD" not in str(SERVICES[name]) for name in PRODUCT)


def test_mail_is_caught_only_where_somebody_asks_for_it() -> None:
    assert SERVICES["mailpit"]["profiles"] == ["trial"]
    assert "mailpit" not in SERVICES["web"]["environment"]["EMAIL_URL"]


def test_nothing_of_the_demo_is_in_the_image() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [re.split(r"[\[<>=~ ]", text)[0] for text in project["optional-dependencies"]["demo"]]
    assert len(extras) >= 7
    assert [name for name in extras if re.search(rf"^{name}==", lock, re.M)] == []


def test_the_image_and_every_check_have_each_app() -> None:
    kept = (ROOT / ".dockerignore").read_text().splitlines()
    checked = re.search(r"^PRODUCT := (.*)$", (ROOT / "Makefile").read_text(), re.M)
    installed = {app.split(".")[0] for app in django_settings.INSTALLED_APPS}
    assert set(APPS) == {app for app in installed if (ROOT / app).is_dir()}
    assert [app for app in APPS if f"!{app}" not in kept] == []
    assert checked
    assert set(APPS) <= set(checked[1].split())


def test_the_image_has_everything_that_the_product_imports() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    trees = [ast.parse(path.read_text()) for app in APPS for path in (ROOT / app).rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = {node.module.split(".")[0] for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    names |= {alias.name.split(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    providers = importlib.metadata.packages_distributions()
    foreign = {name: providers[name] for name in names - set(sys.stdlib_module_names) - set(APPS)}
    assert len(foreign) > 15
    missing = [
        name
        for name, packages in foreign.items()
        if not any(f"\n{p.lower().replace('_', '-')}==" in f"\n{lock}" for p in packages)
    ]
    assert missing == []


def test_nothing_but_loopback_is_published() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_required_variables_stop_the_start_and_are_in_the_example() -> None:
    required = {name for name, mark in VARIABLE.findall(COMPOSE) if mark == ":?"}
    assert required == set(re.findall(r"^(\w+)=", EXAMPLE, re.M))
    assert {"SECRET_KEY", "WISEPAY_SECRET_KEYS", "POSTGRES_PASSWORD", "VALKEY_PASSWORD", "EMAIL_URL"} <= required


def test_optional_variables_are_explained_in_the_example() -> None:
    optional = {name for name, mark in VARIABLE.findall(COMPOSE) if mark == ":-"}
    assert optional == set(re.findall(r"^# (\w+)=", EXAMPLE, re.M))
    assert all(mark for _, mark in VARIABLE.findall(COMPOSE))


def test_every_setting_is_named_in_the_example_and_reaches_every_process() -> None:
    settings = (ROOT / "wisepay" / "settings.py").read_text()
    names = {*re.findall(r'env(?:\.\w+)?\(\s*"(\w+)"', settings)}
    assert len(names) > 70
    assert names - set(re.findall(r"^(?:#  ?)?(\w+)=", EXAMPLE, re.M)) == set()
    own = {"COLLECTED_STATIC", "STATIC_ROOT", "WISEPAY_DEMO"}  # of the image, and of no installation
    for name in PRODUCT:
        assert names - set(SERVICES[name]["environment"]) == own


def test_what_is_left_out_is_the_same_in_compose_and_in_the_settings() -> None:
    settings = (ROOT / "wisepay" / "settings.py").read_text()
    found = re.findall(r'env\.(?:str|int|bool)\(\s*"(\w+)",\s*default=("[^"]*"|\w+)', settings)
    words = {"True": "true", "False": "false", "not": "true"}
    given = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", COMPOSE))
    assert len(given) > 60
    release = django_settings.STRIPE_RELEASE  # the one that the library names
    assert given.pop("STRIPE_JS_URL") == f"https://js.stripe.com/{release}/stripe.js"
    unlike = {
        name: (given[name], value)
        for name, raw in found
        if name in given
        and given[name] != (value := words.get(raw, raw.strip('"') if raw.startswith('"') else raw.replace("_", "")))
    }
    assert unlike == {"TRUSTED_PROXY_COUNT": ("2", "0")}, "Caddy and the TLS proxy are the two of compose"


def test_the_example_holds_no_secret() -> None:
    values = dict(re.findall(r"^(\w+)=(.*)$", EXAMPLE, re.M))
    secret = [value for name, value in values.items() if re.search("KEY|PASSWORD|SECRET|EMAIL_URL", name)]
    assert secret == [""] * 6


def test_everything_the_settings_demand_is_given() -> None:
    settings = (ROOT / "wisepay" / "settings.py").read_text()
    demanded = set(re.findall(r"env\.\w+\(\"(\w+)\"\)", settings))
    assert demanded
    for name in PRODUCT:
        assert demanded <= set(SERVICES[name]["environment"])
    assert all(f"{name}=" in DOCKERFILE for name in demanded)


def test_the_image_installs_only_what_the_lock_vouches_for() -> None:
    assert "--require-hashes --requirement requirements.lock" in DOCKERFILE
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    assert all((ROOT / line[1:]).exists() for line in ignored if line.startswith("!"))


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-demo.lock", "requirements-dev.lock"])
def test_a_lock_names_no_address_and_has_a_hash_for_everything(name: str) -> None:
    lock = (ROOT / name).read_text()
    assert not re.search(r"https?:|file:|--(extra-)?index|--find-links| @ ", lock)
    entries = re.split(r"^(?=[A-Za-z])", lock, flags=re.M)[1:]
    assert entries
    assert all("==" in entry and "--hash=sha256:" in entry for entry in entries)


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-demo.lock", "requirements-dev.lock"])
def test_a_lock_holds_what_the_broker_transport_imports(name: str) -> None:
    needed = [text for text in importlib.metadata.requires("kombu") or [] if 'extra == "redis"' in text]
    lock = (ROOT / name).read_text()
    assert needed
    for text in needed:
        package = re.split(r"[^\w.-]", text)[0]
        assert f"\n{package}==" in lock, f"{package} is missing: the product depends on celery[redis]"


def test_docker_compose_itself_accepts_the_file(tmp_path: Path) -> None:
    program = shutil.which("docker-compose")
    if program is None:
        pytest.skip("docker-compose is not installed")
    filled = re.sub(r"^(\w+)=$", r"\1=x", EXAMPLE, flags=re.M)
    (tmp_path / ".env").write_text(filled)
    command = [program, "--project-directory", str(tmp_path), "--file", str(ROOT / "docker-compose.yml")]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    answer = subprocess.run(
        [*command, "config", "--quiet"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
