"""Parts of paths, headers and cookies that nobody means: never a failure, never a traceback, whoever asks."""

from collections.abc import Iterator

import pytest
from django.test import Client

from tests.bad_input.cases import Case
from tests.bad_input.psa_cases import ALL_CASES
from tests.bad_input.scene import Scene
from tests.bad_input.trials import PageTrial, Try, draw, list_arguments
from tests.bad_input.values import LONG, PATH_TEXTS
from tests.merchants.test_access import EVERY, Page
from tests.tenant_snapshots import list_rows
from tests.tenants import Tenant

DRAWN = 120  # requests in a usual run
HEADERS = {
    "User-Agent": ("", LONG, "\x01\x02", "Mozilla/5.0 \xff\xfe", "'\"><script>"),
    "Accept": ("", LONG, "json", "\xff"),
    "Accept-Language": ("", LONG, "xx-" * 3000, "en;q=nan", "\xff"),
    "HX-Request": ("TRUE", "1", LONG),
    "HX-Current-URL": ("http://[", "\xff", LONG, "//evil.example"),
    "Referer": ("http://[", "\xff", LONG),
    "X-Forwarded-Proto": ("\xff", LONG),
    "X-Forwarded-Host": ("evil.example", "\xff"),
    "Range": ("bytes=9-1", "\xff"),
    "If-Modified-Since": ("never", "\xff"),
    "If-None-Match": ("\xff", LONG),
    "Idempotency-Key": ("\xff", LONG),
    "Cookie": (
        'sessionid="\\000\\000\\000\\000\\000\\000\\000\\000abc"',
        'sessionid="\\355\\240\\200aaaaaaaaaaaa"',
        f"sessionid={LONG}",
        "sessionid=\xff\xfe" + "a" * 30,
        'csrftoken="\\000"',
        "messages=W1siX19qc29uX21lc3NhZ2UiLDAsMjUsInh4Il1d",
        'messages="\\000"',
        "; ; =; a",
        "=" * 500,
    ),
}


@pytest.fixture
def scene(tenant: Tenant) -> Scene:
    """A merchant with a row of everything."""
    return Scene(tenant, "ours")


def get_case(page: Page) -> Case:
    """Who asks for the page; for one without a case, by where it is."""
    who = "admin" if page.route.startswith("m/") else "payer" if page.route.startswith("my/") else "nobody"
    return ALL_CASES.get(page.name) or Case(who=who)


def list_path_tries(page: Page) -> Iterator[tuple[str, str, str]]:
    """Each part of the page's path with each bad text: the part, what it is, and the text."""
    for name in list_arguments(page):
        yield from ((name, label, text) for label, text in PATH_TEXTS.items())


def can_be_reversed(page: Page) -> bool:
    """Whether the page has a name of its own that leads to it."""
    return not page.name.endswith(":None") and page.name != "None" and "^" not in page.route


def test_no_part_of_a_path_makes_us_fail(scene: Scene, request: pytest.FixtureRequest) -> None:
    pages = [page for page in EVERY if can_be_reversed(page)]
    tries = [(page, *one) for page in pages for one in list_path_tries(page)]
    baseline, trials, found = list_rows(), {}, []
    assert len(tries) > 500
    for page, name, label, text in draw(tries, seed=request.config.getoption("randomly_seed", 0), usual=DRAWN):
        if page.name not in trials:
            trials[page.name] = PageTrial(page, get_case(page), scene, scene, baseline)
        one = trials[page.name]
        path = one.build_path({name: text})
        found += one.judge(Try(f"<{name}>: {label}", path=path, query=""))
        found += one.judge(Try(f"<{name}>: {label}, posted", path=path, form={}))
    assert found == [], f"seed {request.config.getoption('randomly_seed', 0)}\n" + "\n".join(found)


@pytest.mark.parametrize("name", HEADERS)
def test_no_header_makes_us_fail(scene: Scene, name: str) -> None:
    paths = [
        ("get", scene.checkout.path),
        ("post", f"{scene.checkout.path}/register"),
        ("post", f"{scene.checkout.path}/attempts"),
        ("post", "/accounts/login/"),
        ("post", "/webhooks/xero"),
        ("get", "/api/cpq/v1/checkouts/x"),
    ]
    forms = {path: ALL_CASES[page].form for path, page in zip((p for _, p in paths[1:3]), REGISTERS, strict=True)}
    for value in HEADERS[name]:
        for method, path in paths:
            make = forms.get(path)
            form = make(scene) if make else {"login": "a@b.example", "password": "x"}
            client = Client(raise_request_exception=False)
            answer = getattr(client, method)(path, form, **{f"HTTP_{name.upper().replace('-', '_')}": value})
            assert answer.status_code < 500, (method, path, value[:60])


REGISTERS = ("payments:register", "payments:create_attempt")
