"""PSA's agreements: read page by page, proposed to their payer, and never a mapping without the payer's consent.

What merchants ask for: agreements as rules of automatic payments (help.alternativepayments.io, article 17776786355099),
and billing terms matched by a list (cw.wise-sync.com, article 36000041665). What PSA does to readers: `fields` drops
`_info` (spinen/connectwise-psa-php-client), and a Link follows even the last page of forward-only paging (ConnectWise's
own PSA Developer Guide).
"""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounting.models import AutoPayMapping
from payers.models import PayerCompany
from psa.agreements import reading
from psa.agreements.models import PsaAgreement, PsaAgreementCursor, PsaBillingTerm, PsaCompanyLink
from psa.agreements.proposals import describe_question
from psa.agreements.reading import read_agreements, schedule_agreement_readings
from psa.connectwise import billing
from psa.models import PsaConnection
from psa.services import disconnect_psa, get_psa_connection
from tests.accounting.autopay.builders import PAYER, AutoPayBuilder
from tests.accounting.autopay.test_mappings import get_accepted_terms_id
from tests.psa.scene import PsaScene, connect
from tests.psa.test_callbacks import build_message, send
from tests.tenants import Tenant, deliver_outbox
from wisepay.errors import Disconnected, Unavailable
from wisepay.outbox import Retry

HARBOUR = {"id": 19, "identifier": "HarbourDental", "name": "Harbour Dental Pty Ltd"}
USUAL: dict[str, Any] = {
    "name": "Backup",
    "type": {"id": 2, "name": "Backup"},
    "company": HARBOUR,
    "contact": {"id": 31},
    "billingTerms": {"id": 1, "name": "Net 14 days"},
    "agreementStatus": "Active",
    "billAmount": 99.95,
    "currency": {"id": 1, "currencyCode": "AUD"},
}


@pytest.fixture
def autopay(tenant: Tenant) -> AutoPayBuilder:
    """A merchant with automatic payments, whose ConnectWise PSA is connected as well."""
    return AutoPayBuilder(tenant)


@pytest.fixture
def scene(autopay: AutoPayBuilder) -> PsaScene:
    """Its PSA."""
    return connect(autopay.tenant)


def insert(scene: PsaScene, *rows: dict[str, Any]) -> list[int]:
    """Add agreements at PSA; answers their ids."""
    found: list[int] = scene.control(insert={"table": "agreements", "rows": [USUAL | row for row in rows]})["insert"]
    return found


def change(scene: PsaScene, key: int, **fields: Any) -> None:
    """Change an agreement at PSA."""
    scene.control(change={"table": "agreements", "id": key, "fields": fields})


def read(scene: PsaScene, *, after: timedelta = timedelta(0)) -> None:
    """Read the agreements, some time from now."""
    read_agreements(get_psa_connection(scene.tenant.merchant), now=timezone.now() + after)


def get_agreement(key: int = 61) -> PsaAgreement:
    """One agreement as it is stored."""
    return PsaAgreement.objects.select_related("mapping", "merchant").get(agreement_id=key)


def post(scene: PsaScene, key: int = 61, *, client: Client | None = None, **form: Any) -> Any:
    """Decide about an agreement on its page."""
    agreement = get_agreement(key)
    path = scene.tenant.url(f"psa/agreements/{agreement.reference}/decisions")
    return (client or scene.tenant.admin).post(path, {"shown": read_question(agreement)} | form)


def read_question(agreement: PsaAgreement) -> str:
    """What its page shows that the payer would be asked."""
    link = PsaCompanyLink.objects.filter(psa_company_id=agreement.psa_company_id).first()
    term = PsaBillingTerm.objects.filter(term_id=agreement.term_id).first()
    return describe_question(link.company if link else None, term.billing_term if term else None)


def decide_term(scene: PsaScene, autopay: AutoPayBuilder, term_id: int = 1, *, meaning: str = "") -> Any:
    """Say on the page what a billing term of PSA means."""
    path = scene.tenant.url("configure/merchants/integrations/psa/terms")
    scene.poll()
    return scene.tenant.admin.post(path, {f"term_{term_id}": meaning or autopay.term.reference})


def test_agreements_become_proposals_that_the_payer_accepts(autopay: AutoPayBuilder, scene: PsaScene) -> None:
    card, payer = autopay.save_card(), autopay.tenant.payer(PAYER)
    scene.tenant.admin.post(scene.tenant.url("psa/agreements/read"))
    deliver_outbox()
    row = get_agreement()
    facts = (row.psa_company, row.kind, row.term_name, row.cycle, str(row.money), str(row.starts_on), row.ends_on)
    assert facts == (HARBOUR["name"], "Managed Services", "Net 14 days", "Monthly", "A$349.00", "2026-01-01", None)
    assert "Proposed: Harbour" in scene.tenant.admin.get(scene.tenant.url(f"psa/agreements/{row.reference}")).text

    refused = post(scene, act="ask", primary=str(card.pk))
    assert refused.status_code == 422, "a company that is only proposed is not asked, nor can its methods be chosen"
    assert post(scene, act="link", company="Nobody Pty Ltd").status_code == 422
    assert post(scene, act="link", company=autopay.company.name.upper()).status_code == 302
    assert "has no meaning" not in (answer := post(scene, act="ask", primary=str(card.pk))).text
    assert (answer.status_code, "Say first what the billing term “Net 14 days”" in answer.text) == (422, True)

    assert decide_term(scene, autopay).status_code == 302
    assert AutoPayMapping.objects.count() == 0
    assert post(scene, act="ask", primary=str(card.pk)).status_code == 302
    mapping = AutoPayMapping.objects.get()
    assert (mapping.state, mapping.asks_payer, mapping.term, mapping.company) == (
        "proposed",
        True,
        autopay.term,
        autopay.company,
    )
    assert mapping.acceptance is None, "nothing is charged without the payer's consent"
    assert post(scene, act="ask", primary=str(card.pk)).status_code == 422, "it was decided already"
    deliver_outbox()
    assert any("proposes automatic payments" in mail["subject"] for mail in autopay.tenant.mails(PAYER))

    terms = get_accepted_terms_id(autopay)
    payer.post(f"/my/autopay/{mapping.reference}/answer", {"answer": "accept", "accepted_terms": terms})
    mapping.refresh_from_db()
    assert (mapping.state, mapping.acceptance is not None, get_agreement().answer) == ("active", True, "active")
    assert post(scene, act="reopen").status_code == 422, "its mapping goes on"


def test_a_second_agreement_under_the_same_term_asks_nobody_twice(autopay: AutoPayBuilder, scene: PsaScene) -> None:
    card = autopay.save_card()
    [second] = insert(scene, {})
    read(scene)
    decide_term(scene, autopay)
    post(scene, act="link", company=autopay.company.name)
    post(scene, act="ask", primary=str(card.pk))
    assert post(scene, second, act="ask").status_code == 302, "the company counts for each of its agreements"
    assert AutoPayMapping.objects.count() == 1
    assert get_agreement(second).mapping == get_agreement().mapping
    AutoPayMapping.objects.update(state="ended", asks_payer=False)
    for key in (61, second):
        assert post(scene, key, act="reopen").status_code == 302, "declined: the merchant decides anew"
        assert get_agreement(key).state == "open"
    assert post(scene, second, act="dismiss").status_code == 302
    assert (get_agreement(second).state, get_agreement().state) == ("dismissed", "open")


def test_terms_are_proposed_by_name_and_count_only_once_saved(autopay: AutoPayBuilder, scene: PsaScene) -> None:
    for name in ("NET 14  days", "Net 30"):
        autopay.add_term(name)
    scene.control(insert={"table": "billingTerms", "rows": [{"name": "Net 30"}, {"name": "Pre-paid", "dueDays": None}]})
    read(scene)
    page = scene.tenant.admin.get(scene.tenant.url("configure/merchants/integrations/psa/terms")).text
    assert page.count("Proposed because the names are the same") == 2
    assert not PsaBillingTerm.objects.exclude(billing_term=None).exists(), "reading guesses nothing"
    for row in PsaBillingTerm.objects.exclude(term_id=1):
        decide_term(scene, autopay, row.term_id, meaning="none")
    read(scene, after=timedelta(days=2))
    decided = dict(PsaBillingTerm.objects.values_list("name", "decided_at"))
    assert decided["Net 14 days"] is None
    assert decided["Net 30"], "a reading leaves decisions alone"
    assert decided["Pre-paid"]
    scene.control(change={"table": "agreements", "id": 61, "fields": {"billingTerms": {"id": 0, "name": ""}}})
    read(scene, after=timedelta(days=4))
    post(scene, act="link", company=autopay.company.name)
    assert "no billing term in ConnectWise PSA" in post(scene, act="ask").text


@pytest.mark.parametrize(
    ("meaning", "words"),
    [("none", "are not charged automatically"), ("removed", "Say first what the billing term")],
)
def test_a_term_that_charges_nothing_is_proposed_to_nobody(
    autopay: AutoPayBuilder, scene: PsaScene, meaning: str, words: str
) -> None:
    card = autopay.save_card()
    read(scene)
    post(scene, act="link", company=autopay.company.name)
    decide_term(scene, autopay, meaning="none" if meaning == "none" else "")
    if meaning == "removed":
        type(autopay.term).objects.filter(pk=autopay.term.pk).update(is_active=False)
    answer = post(scene, act="ask", primary=str(card.pk))
    assert (answer.status_code, words in answer.text) == (422, True)
    assert not AutoPayMapping.objects.exists()


def test_the_company_is_proposed_by_its_quote_before_its_name(autopay: AutoPayBuilder, scene: PsaScene) -> None:
    sold = scene.sell(invoice=False)
    checkout = scene.open_checkout(sold, customer={"account_name": "Lakeshore Freight"})
    change(scene, 61, opportunity={"id": sold["opportunity"], "name": "Onboarding"})
    read(scene)
    page = scene.tenant.admin.get(scene.tenant.url(f"psa/agreements/{get_agreement().reference}")).text
    assert f"Proposed: {checkout.payment.company}. Its quote was paid by this company." in page


# What PSA may answer: one field, and what is stored of the agreement with it.
ODD: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"billAmount": None}, {"amount": None}),
    ({"billAmount": 0}, {"amount": 0, "currency": "AUD"}),
    ({"billAmount": "lots"}, {"amount": None}),
    ({"billAmount": 1e30}, {"amount": None}),
    ({"billAmount": 10.005}, {"amount": 1000}),
    ({"currency": None}, {"amount": None, "currency": ""}),
    ({"currency": {"currencyCode": "???"}}, {"amount": None}),
    ({"billToCompany": {"id": 77, "name": "Payer of Harbour"}}, {"psa_company_id": 77}),
    ({"billToCompany": None}, {"psa_company_id": 19}),
    ({"billToCompany": "Harbour"}, {"psa_company_id": 19}),
    ({"billingTerms": None}, {"term_id": 0, "term_name": ""}),
    ({"billingCycle": []}, {"cycle": ""}),
    ({"name": "x" * 400}, {"name": "x" * 120}),
    ({"name": "Nul\u0000 and more"}, {"name": "Nul and more"}),
    ({"name": None}, {}),
    ({"endDate": "0001-01-01T00:00:00Z"}, {"ends_on": None}),
    ({"startDate": "someday"}, {"starts_on": None}),
    ({"nextInvoiceDate": "12/31/2026"}, {"next_invoice_on": None}),
    ({"agreementStatus": "Suspended"}, {"is_active": False, "status": "Suspended"}),
    ({"cancelledFlag": True}, {"is_active": False}),
    ({"opportunity": {"id": 2**70}}, {"opportunity_id": 0}),
]


def test_an_odd_record_stops_no_other_one(scene: PsaScene) -> None:
    keys = insert(scene, *(row for row, _ in ODD))
    read(scene)
    assert PsaAgreement.objects.count() == len(ODD) + 1, PsaAgreementCursor.objects.get().error
    for key, (sent, expected) in zip(keys, ODD, strict=True):
        row = get_agreement(key)
        assert {name: getattr(row, name) for name in expected} == expected, sent


def test_pages_are_read_one_by_one_and_go_on_after_a_crash(scene: PsaScene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(billing, "LARGEST_PAGE", 4)
    monkeypatch.setattr(reading, "MOST_PAGES", 2)
    insert(scene, *({"name": f"Agreement {n}"} for n in range(9)))
    with pytest.raises(Retry):
        read(scene)
    assert PsaAgreement.objects.count() == 8, "two pages in one turn"
    read(scene)
    assert PsaAgreement.objects.count() == 10
    cursor = PsaAgreementCursor.objects.get()
    assert (cursor.last_id, cursor.read_started_at, cursor.known_until is not None) == (0, None, True)


def test_only_what_changed_is_read_again_and_a_whole_reading_notices_what_is_gone(scene: PsaScene) -> None:
    [deleted] = insert(scene, {})
    read(scene)
    scene.control(delete={"table": "agreements", "id": deleted})
    before = len(scene.list_calls("GET"))
    read(scene, after=timedelta(hours=1))
    calls = scene.list_calls("GET")[before:]
    assert [call.rpartition("/")[2] for call in calls] == ["agreements"]
    assert not get_agreement(deleted).is_gone, "a deletion is not among the changes"
    read(scene, after=timedelta(hours=25))
    assert (get_agreement(deleted).is_gone, get_agreement().is_gone) == (True, False)
    assert post(scene, deleted, act="ask").status_code == 422
    scene.control(insert={"table": "billingTerms", "rows": [{"id": 7, "name": "Net 30", "dueDays": 30}]})
    insert(scene, {"billingTerms": {"id": 7, "name": "Net 30"}})
    before = len(scene.list_calls("GET"))
    read(scene, after=timedelta(hours=26))
    calls = scene.list_calls("GET")[before:]
    assert [call.rpartition("/")[2] for call in calls] == ["agreements", "billingTerms"], "the term was not known"
    assert PsaBillingTerm.objects.filter(term_id=7).exists()
    shown = scene.tenant.admin.get(scene.tenant.url("psa/agreements/?show=ended")).text
    assert "Backup" in shown


def test_an_answer_that_is_no_list_takes_nothing_for_gone(scene: PsaScene) -> None:
    read(scene)
    for name in ("200 an empty object", "200 null", "204"):
        scene.tenant.world.fault("psa", "odd", name=name, method="GET", path="*/finance/agreements")
        with pytest.raises(Unavailable):
            read(scene, after=timedelta(days=2))
        assert not get_agreement().is_gone, name
    read(scene, after=timedelta(days=2, minutes=5))
    assert not get_agreement().is_gone


def test_a_reading_of_the_psa_before_says_nothing_of_the_one_now(scene: PsaScene) -> None:
    read(scene)
    cursor = PsaAgreementCursor.objects.get()
    PsaAgreementCursor.objects.update(organisation_id="another", known_until=None)
    with pytest.raises(Retry):
        cursor.save_progress(known_until=timezone.now())
    assert PsaAgreementCursor.objects.get().known_until is None


def test_the_payer_is_asked_only_what_the_page_showed(autopay: AutoPayBuilder, scene: PsaScene) -> None:
    """The agreement was put under another billing term in PSA after somebody opened its page."""
    card = autopay.save_card()
    scene.control(insert={"table": "billingTerms", "rows": [{"id": 2, "name": "On receipt", "dueDays": 0}]})
    read(scene)
    decide_term(scene, autopay)
    [other] = PsaBillingTerm.objects.exclude(term_id=1)
    decide_term(scene, autopay, other.term_id, meaning=autopay.add_term("On receipt").reference)
    post(scene, act="link", company=autopay.company.name)
    shown = read_question(get_agreement())
    change(scene, 61, billingTerms={"id": other.term_id, "name": "On receipt"})
    read(scene, after=timedelta(minutes=1))
    for stale in (shown, ""):
        answer = post(scene, act="ask", primary=str(card.pk), shown=stale)
        assert (answer.status_code, "is another one by now" in answer.text) == (422, True)
    assert not AutoPayMapping.objects.exists()
    assert post(scene, act="ask", primary=str(card.pk)).status_code == 302
    assert str(AutoPayMapping.objects.get().term) == "On receipt"


def test_what_stops_a_reading_is_said_and_nothing_is_taken_for_gone(scene: PsaScene) -> None:
    read(scene)
    for order, raised in (
        ({"withdraw": {"right": "agreements:inquire"}}, None),
        ({"grant": {}, "keys": {"private": "another"}}, Disconnected),
    ):
        scene.control(**order)
        if raised is None:
            read(scene, after=timedelta(days=2))
        else:
            with pytest.raises(raised):
                read(scene, after=timedelta(days=4))
        assert PsaAgreementCursor.objects.get().error
        assert not get_agreement().is_gone
    assert "not connected" in scene.tenant.admin.get(scene.tenant.url("psa/agreements/")).text


def test_another_psa_is_read_from_the_beginning_and_its_ids_mean_other_things(
    autopay: AutoPayBuilder, scene: PsaScene
) -> None:
    read(scene)
    post(scene, act="link", company=autopay.company.name)
    decide_term(scene, autopay)
    PsaConnection.objects.update(login_company="other")
    read(scene)
    rows = PsaAgreement.objects.filter(organisation_id__endswith="/other")
    assert rows.count() == 1
    page = scene.tenant.admin.get(scene.tenant.url("psa/agreements/")).text
    assert page.count("Managed services") == 1
    assert not PsaCompanyLink.objects.filter(organisation_id__endswith="/other").exists()
    old = PsaAgreement.objects.get(organisation_id__endswith="/northwind")
    path = scene.tenant.url(f"psa/agreements/{old.reference}/decisions")
    assert "another ConnectWise PSA" in scene.tenant.admin.post(path, {"act": "ask"}).text


def test_only_merchants_who_read_them_once_have_them_read_every_hour(scene: PsaScene) -> None:
    assert schedule_agreement_readings(now=timezone.now()) == 0
    read(scene)
    assert schedule_agreement_readings(now=timezone.now()) == 1
    PsaConnection.objects.update(state="broken")
    assert schedule_agreement_readings(now=timezone.now()) == 0


def test_a_stranger_sees_and_decides_nothing(scene: PsaScene, stranger: Tenant) -> None:
    read(scene)
    row = get_agreement()
    for path in (f"psa/agreements/{row.reference}", "psa/agreements/"):
        assert stranger.admin.get(scene.tenant.url(path)).status_code == 404
        assert "Managed services" not in stranger.admin.get(stranger.url(path)).text
    assert post(scene, act="dismiss", client=stranger.admin).status_code == 404
    own = stranger.url(f"psa/agreements/{row.reference}/decisions")
    assert stranger.admin.post(own, {"act": "dismiss"}).status_code == 404
    PayerCompany.objects.create(merchant=stranger.merchant, name="Only theirs", folded_name="only theirs")
    assert post(scene, act="link", company="Only theirs").status_code == 422
    assert not PsaCompanyLink.objects.exists()


def test_a_callback_hurries_the_reading_and_is_registered_once_they_are_read(scene: PsaScene) -> None:
    assert [row["type"] for row in scene.control()["callbacks"]] == ["invoice"]
    for _ in range(2):
        read(scene)
        deliver_outbox()
    assert [row["type"] for row in scene.control()["callbacks"]] == ["invoice", "agreement"]
    change(scene, 61, billAmount=400.0)
    for key, amount in (("somebody-else", 34_900), ("practice-signing-key", 40_000)):
        assert send(scene, build_message(scene, 61, Type="agreement"), key=key) == 204
        deliver_outbox()
        assert get_agreement().amount == amount, "a message that can't be checked has invoices polled, no more"
    connection = get_psa_connection(scene.tenant.merchant)
    disconnect_psa(connection, by="admin", now=timezone.now())
    assert scene.control()["callbacks"] == []
