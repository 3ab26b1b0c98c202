"""Every field of every page with every bad value: never a failure, always words, nothing half stored.

Every run draws some requests to each page by the run's seed, THOROUGH=1 more of them, THOROUGH=all all.
"""

import pytest
from django.db import transaction
from pytest_django import Settings

from tests.bad_input.cases import ACCOUNT_CASES, Case
from tests.bad_input.good_forms import connect_practice_cpq
from tests.bad_input.psa_cases import ALL_CASES
from tests.bad_input.recording import take_seen
from tests.bad_input.scene import Scene
from tests.bad_input.trials import PageTrial, Try, draw
from tests.merchants.test_access import EVERY, Page
from tests.tenant_snapshots import list_rows
from tests.tenants import Tenant

DRAWN = 4  # requests to each page in a usual run
# Fields that every page of a kind may read: of Django, of django-allauth, and what our middleware looks at.
THEIRS = {"csrfmiddlewaretoken", "next", "credential"}
# What programs call has tests of its own in this folder, and pages of nobody in particular take no field of ours.
PROGRAMS = {
    "payments:stripe_webhook",
    "accounting:xero_webhook",
    "accounting:intuit_webhook",
    "psa:callback",
    "quotes:cpq_v1:open_checkout",
    "quotes:cpq_v1:allow_only_post",
    "quotes:cpq_v1:read_checkout",
    "quotes:cpq_v1:allow_only_get",
    "quotes:cpq_v1:api-root",
    "quotes:cpq_v1:openapi-json",
    "quotes:None",
    "None",
    "openid_connect_login",
    "openid_connect_callback",
    "account_signup",
    "socialaccount_signup",
    "mfa_index",
    "mfa_list_webauthn",
    "mfa_view_recovery_codes",
    "mfa_download_recovery_codes",
    "account_set_password",
    "merchants:home",
    "operators_audit",
}
PAGES = {page.name: page for page in EVERY}


@pytest.fixture
def scenes(tenant: Tenant, stranger: Tenant, settings: Settings) -> tuple[Scene, Scene]:
    """Two merchants with a row of everything, and no limits that a walk would meet."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.bad_input.recording.RecordReads"]
    settings.ACCOUNT_RATE_LIMITS = False
    both = Scene(tenant, "ours"), Scene(stranger, "theirs")
    for scene in both:
        connect_practice_cpq(scene)
    return both


def try_pages(names: list[str], cases: dict[str, Case], scenes: tuple[Scene, Scene], seed: int) -> list[str]:
    """What is wrong with the answers of these pages."""
    found = []
    for name in names:
        one = PageTrial(PAGES[name], cases[name], *scenes, {})
        assert one.path  # what the scene makes only for this path is there before its rows are counted
        one.baseline = list_rows()
        for attempt in draw(list(one.list_tries()), seed=f"{seed}{name}", usual=DRAWN):
            found += one.judge(attempt)
    return found


PARTS = 6


@pytest.mark.parametrize("part", range(PARTS))
def test_no_field_of_a_page_takes_what_nobody_means(
    scenes: tuple[Scene, Scene], request: pytest.FixtureRequest, part: int
) -> None:
    seed = request.config.getoption("randomly_seed", 0)
    names = sorted(ALL_CASES)[part::PARTS]
    found = try_pages(names, ALL_CASES, scenes, seed)
    assert found == [], f"seed {seed}\n" + "\n".join(found)


def test_no_field_of_an_account_page_takes_what_nobody_means(
    scenes: tuple[Scene, Scene], request: pytest.FixtureRequest
) -> None:
    seed = request.config.getoption("randomly_seed", 0)
    found = try_pages(sorted(ACCOUNT_CASES), ACCOUNT_CASES, scenes, seed)
    assert found == [], f"seed {seed}\n" + "\n".join(found)


def ask_well(one: PageTrial) -> list[str]:
    """Ask the page as people do; what is wrong with its answer, and which fields it reads that have no case."""
    list(take_seen())
    wrong = []
    for attempt in (Try("", query=""), Try("", form=one.get_form()) if one.case.form is not None else None):
        if attempt is not None:
            answer = one.send(attempt)
            if attempt.form is not None and answer.status_code not in (200, 302, 303, 409):
                wrong.append(f"{one.page.name}: a good form is answered {answer.status_code}")
    in_form, in_query = take_seen()
    unknown = (in_form - one.get_form().keys()) | (in_query - one.get_query().keys())
    return [*wrong, *(f"{one.page.name}: the field {name!r} has no case" for name in sorted(unknown - THEIRS))]


def test_every_field_that_a_page_reads_has_a_case(scenes: tuple[Scene, Scene]) -> None:
    found = []
    for page in EVERY:
        case = ALL_CASES.get(page.name) or ACCOUNT_CASES.get(page.name)
        if case is None:
            continue
        savepoint = transaction.savepoint_create()
        found += ask_well(PageTrial(page, case, *scenes, {}))
        transaction.savepoint_rollback(savepoint)
    assert found == [], "\n".join(found)


def test_every_page_that_takes_something_has_a_case(scenes: tuple[Scene, Scene]) -> None:
    assert [name for name in {**ALL_CASES, **ACCOUNT_CASES} if name not in PAGES] == []
    found = []
    for page in EVERY:
        if page.name in ALL_CASES or page.name in ACCOUNT_CASES or page.name in PROGRAMS or "^" in page.route:
            continue
        savepoint = transaction.savepoint_create()
        one = PageTrial(page, Case(who=get_audience(page)), *scenes, {})
        list(take_seen())
        one.send(Try("", query=""))
        posted = one.send(Try("", form={}))
        in_form, in_query = take_seen()
        transaction.savepoint_rollback(savepoint)
        if (in_form | in_query) - THEIRS or posted.status_code not in (403, 404, 405):
            found.append(f"{page.name} reads {sorted((in_form | in_query) - THEIRS)}, POST is {posted.status_code}")
    assert found == [], "\n".join(found)


def get_audience(page: Page) -> str:
    """Who asks for a page, by where it is."""
    return "admin" if page.route.startswith("m/") else "payer" if page.route.startswith("my/") else "nobody"
