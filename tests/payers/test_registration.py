"""Who gets access to what: registering while paying, invitations, signed-in payers, removal, and each of it twice."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from merchants.models import Terms
from merchants.terms.services import get_current_terms
from payers.companies import CompanyTaken, Contact, get_or_create_company, map_company, rename_company
from payers.company_access import (
    StaffMayNotPay,
    create_invited_access,
    open_access_after_payment,
    remove_access,
    update_access_scope,
)
from payers.invitations import TooManyMails, renew_invitation
from payers.models import Invitation, Payer, PayerAccess, PayerCompany, TermsAcceptance
from payers.registrations import start_registration
from payers.terms import record_acceptance
from tests.payers.welcome_flow import EMAIL, SOURCE, get_welcome_link, invite, list_mails, register
from tests.tenants import Tenant
from wisepay.models import User


def remove(tenant: Tenant, access: PayerAccess) -> bool:
    """Take the access away."""
    with transaction.atomic():
        return remove_access(access, by=tenant.user, now=timezone.now())


def pay_signed_in(user: User, company: PayerCompany) -> PayerAccess | None:
    """A payment of a signed-in person succeeds."""
    with transaction.atomic():
        return open_access_after_payment(user, company, now=timezone.now())


# ---- registering while paying ----------------------------------------------------------------------


def test_registering_makes_a_person_who_can_not_sign_in_and_an_access_that_waits(tenant: Tenant) -> None:
    access = register(tenant, "  Ada@HarbourDental.example ", phone="123")
    user = User.objects.get(email=EMAIL)
    assert (user.name, access.typed_name, user.has_usable_password()) == ("", "Ada Lind", False)
    assert (access.user, access.state, access.scope, access.origin) == (user, "pending", "own", "registered")
    assert Payer.objects.get(user=user).state == "invited"
    acceptance = TermsAcceptance.objects.get()
    assert (acceptance.user, acceptance.email) == (None, EMAIL)
    assert (acceptance.ip, acceptance.user_agent) == (SOURCE.ip, SOURCE.user_agent)
    assert [m["subject"] for m in list_mails(tenant)] == ["Welcome to Wise-Pay"]


@pytest.mark.parametrize(
    ("of_company", "typed", "scope"),
    [
        (EMAIL, EMAIL, "company"),
        ("ADA@harbourdental.example", EMAIL, "company"),
        (EMAIL, " Ada@HARBOURDENTAL.example", "company"),
        ("accounts@harbourdental.example", EMAIL, "own"),
        ("", EMAIL, "own"),
    ],
)
def test_only_the_companys_own_address_opens_the_whole_company(
    tenant: Tenant, of_company: str, typed: str, scope: str
) -> None:
    company = tenant.company(email=of_company)
    assert register(tenant, typed, company=company).scope == scope


def test_registering_again_at_once_is_one_person_one_access_one_mail(tenant: Tenant) -> None:
    first = register(tenant, next_path="/pay/one")
    again = register(tenant, next_path="/pay/two")
    assert (again.pk, User.objects.filter(email=EMAIL).count(), len(list_mails(tenant))) == (first.pk, 1, 1)
    assert Invitation.objects.get().next_path == "/pay/two"
    assert TermsAcceptance.objects.count() == 2


def test_registering_again_much_later_sends_a_new_link(tenant: Tenant) -> None:
    register(tenant, next_path="/pay/one")
    older = get_welcome_link(tenant)
    register(tenant, now=timezone.now() + timedelta(minutes=6))
    assert get_welcome_link(tenant) != older
    assert Invitation.objects.get(replaced_at=None).next_path == "/pay/one"


def test_mails_that_a_stranger_causes_end_somewhere_and_nobody_sees_it(tenant: Tenant) -> None:
    now = timezone.now()
    for minute in range(0, 58, 6):
        access = register(tenant, now=now + timedelta(minutes=minute))
        assert access.state == "pending"
        list_mails(tenant)
    assert len(list_mails(tenant)) == 6


def test_an_address_that_has_an_account_is_answered_alike(tenant: Tenant) -> None:
    tenant.access("known@harbourdental.example", company="Elsewhere Ltd")
    company = tenant.company()
    terms = get_current_terms(tenant.merchant, Terms.Kind.USER_ACCOUNT)
    words: dict[str, Any] = {"name": "Ada", "phone": "", "next_path": "", "terms": terms, "source": SOURCE}
    work = []
    for email in ("known@harbourdental.example", "fresh@harbourdental.example"):
        with CaptureQueriesContext(connection) as queries:
            start_registration(company, email=email, now=timezone.now(), **words)
        work.append([re.sub(r"s\d+_x\d+|\d+|'[^']*'", "", query["sql"]) for query in queries])
        assert len(list_mails(tenant, email)) == 1
        access = PayerAccess.objects.get(user__email=email, company=company)
        assert (access.state, access.scope) == ("pending", "own")
    assert work[0] == work[1]
    known = User.objects.get(email="known@harbourdental.example")
    assert (known.name, known.has_usable_password()) == ("Ada Payer", True)


def test_an_active_access_is_left_as_it_is(tenant: Tenant) -> None:
    standing = tenant.access(EMAIL, scope="company")
    access = register(tenant)
    assert (access.pk, access.state, access.scope, access.origin) == (standing.pk, "active", "company", "invited")
    [mail] = list_mails(tenant)
    assert "sign in and go on" in str(mail)


def test_somebody_who_was_switched_off_is_mailed_nothing(tenant: Tenant) -> None:
    User.objects.create_user(EMAIL, None, is_active=False)
    assert register(tenant).state == "pending"
    assert list_mails(tenant) == []


def test_a_removed_payer_who_registers_again_stays_removed(tenant: Tenant) -> None:
    access = tenant.access(EMAIL, scope="company")
    remove(tenant, access)
    again = register(tenant)
    assert (again.pk, again.state, list_mails(tenant)) == (access.pk, "removed", [])
    invited = invite(tenant)
    assert (invited.pk, invited.state, len(list_mails(tenant))) == (access.pk, "pending", 1)


def test_the_database_keeps_one_open_invitation_an_access(tenant: Tenant) -> None:
    register(tenant)
    open_one = Invitation.objects.get()
    with pytest.raises(IntegrityError, match="one_open_invitation_per_access"), transaction.atomic():
        Invitation.objects.create(access=open_one.access, expires_at=open_one.expires_at)


# ---- invitations -----------------------------------------------------------------------------------


def test_an_invited_payer_may_see_the_whole_company_once_they_confirmed(tenant: Tenant) -> None:
    access = invite(tenant)
    assert (access.state, access.scope, access.origin, access.invited_by) == (
        "pending", "company", "invited", tenant.user,
    )  # fmt: skip
    assert len(list_mails(tenant)) == 1


def test_inviting_somebody_who_sees_their_own_payments_widens_it(tenant: Tenant) -> None:
    access = tenant.access(EMAIL, scope="own")
    invite(tenant)
    access.refresh_from_db()
    assert (access.state, access.scope, list_mails(tenant)) == ("active", "company", [])


def test_another_merchants_company_is_not_invited_into(tenant: Tenant, stranger: Tenant) -> None:
    with pytest.raises(ValueError, match="another merchant"):
        create_invited_access(
            tenant.merchant, company=stranger.company(), email=EMAIL, name="", by=tenant.user, now=timezone.now()
        )
    assert not User.objects.filter(email=EMAIL).exists()


def test_too_many_invitations_of_one_person_store_nothing(tenant: Tenant) -> None:
    now = timezone.now()
    access = invite(tenant)
    for _ in range(5):
        renew_invitation(access, now=now)
    with pytest.raises(TooManyMails):
        invite(tenant, company=tenant.company("Second Ltd"))
    assert not PayerAccess.objects.filter(company__name="Second Ltd").exists()
    with pytest.raises(TooManyMails):
        renew_invitation(access, now=now)
    assert access.invitations.filter(used_at=None, replaced_at=None).count() == 1


def test_a_link_of_a_removed_access_is_not_renewed(tenant: Tenant) -> None:
    access = invite(tenant)
    remove(tenant, access)
    with pytest.raises(PayerAccess.DoesNotExist):
        renew_invitation(access, now=timezone.now())


# ---- signed in while paying ------------------------------------------------------------------------


def test_who_pays_signed_in_sees_what_they_pay_and_no_more(tenant: Tenant) -> None:
    user = tenant.access(EMAIL, company="Elsewhere Ltd").user
    company = tenant.company(email="accounts@harbourdental.example")
    access = pay_signed_in(user, company)
    assert access
    assert (access.state, access.scope, access.origin) == ("active", "own", "signed_in")
    assert pay_signed_in(user, company) == access
    assert list_mails(tenant) == []


def test_who_pays_signed_in_with_the_companys_address_sees_the_company(tenant: Tenant) -> None:
    user = tenant.access(EMAIL, company="Elsewhere Ltd").user
    access = pay_signed_in(user, tenant.company(email=EMAIL.upper()))
    assert access
    assert access.scope == "company"


def test_a_pending_access_opens_when_its_person_pays_signed_in(tenant: Tenant, browser: Client) -> None:
    user = tenant.access(EMAIL, company="Elsewhere Ltd").user
    access = register(tenant)
    path = get_welcome_link(tenant)
    opened = pay_signed_in(user, tenant.company())
    assert opened
    assert (opened.pk, opened.state, opened.origin) == (access.pk, "active", "registered")
    browser.get(path)
    assert browser.get("/welcome/").status_code == 410


def test_a_removed_payer_who_pays_stays_removed(tenant: Tenant) -> None:
    access = tenant.access(EMAIL)
    remove(tenant, access)
    assert pay_signed_in(access.user, tenant.company()) is None
    access.refresh_from_db()
    assert access.state == "removed"


def test_a_merchants_own_person_becomes_no_payer_of_its_clients(tenant: Tenant, stranger: Tenant) -> None:
    assert pay_signed_in(tenant.user, tenant.company()) is None
    with pytest.raises(StaffMayNotPay):
        invite(tenant, tenant.user.email.upper())
    assert not PayerAccess.objects.exists()
    elsewhere = pay_signed_in(tenant.user, stranger.company())
    assert elsewhere
    assert (elsewhere.state, tenant.user.payer.state) == ("active", "invited")
    answer = tenant.admin.get("/my/details")
    assert answer["Location"] == "/welcome/details?next=%2Fmy%2Fdetails"
    assert tenant.admin.get(answer["Location"]).status_code == 200


# ---- removing, scopes, companies, terms ------------------------------------------------------------


def test_removing_twice_is_removing_once(tenant: Tenant) -> None:
    access = tenant.access(EMAIL)
    assert (remove(tenant, access), remove(tenant, access)) == (True, False)
    assert [s.to_state for s in access.list_state_changes()] == ["removed"]


def test_a_scope_that_nobody_knows_is_refused(tenant: Tenant) -> None:
    access = tenant.access(EMAIL)
    with pytest.raises(ValueError, match="no scope"):
        update_access_scope(access, scope="everything", by=tenant.user, now=timezone.now())
    update_access_scope(access, scope="own", by=tenant.user, now=timezone.now())
    assert PayerAccess.objects.get().scope == "own"


def test_a_company_is_found_by_its_contact_whatever_it_is_called(tenant: Tenant) -> None:
    contact = Contact("org", "c-1")
    first = get_or_create_company(tenant.merchant, name="Harbour Dental", contact=contact)
    assert get_or_create_company(tenant.merchant, name="Quite Another", contact=contact) == first
    assert get_or_create_company(tenant.merchant, name="  harbour   DENTAL", contact=None) == first
    with pytest.raises(CompanyTaken):
        get_or_create_company(tenant.merchant, name="Harbour Dental", contact=Contact("org", "c-2"))
    first.refresh_from_db()
    assert (first.organisation_id, first.contact_id) == ("org", "c-1")


def test_an_unmapped_company_of_that_name_is_mapped(tenant: Tenant) -> None:
    company = tenant.company("Plain Ltd")
    assert get_or_create_company(tenant.merchant, name="Plain Ltd", contact=Contact("org", "c-9")) == company
    company.refresh_from_db()
    assert company.contact_id == "c-9"


def test_two_companies_are_never_one_contact(tenant: Tenant) -> None:
    map_company(tenant.company("One"), contact=Contact("org", "c-1"))
    with pytest.raises(CompanyTaken):
        map_company(tenant.company("Two"), contact=Contact("org", "c-1"))
    assert tenant.company("Two").contact_id == ""


def test_a_company_keeps_its_contact_when_it_is_renamed_and_no_name_twice(tenant: Tenant) -> None:
    one, _ = map_company(tenant.company("One"), contact=Contact("org", "c-1")), tenant.company("Two")
    rename_company(one, name=" One  Again ")
    one.refresh_from_db()
    assert (one.name, one.folded_name, one.contact_id) == ("One Again", "one again", "c-1")
    with pytest.raises(CompanyTaken):
        rename_company(one, name="TWO")


def test_terms_of_another_merchant_are_accepted_for_nobody(tenant: Tenant, stranger: Tenant) -> None:
    foreign = register(stranger)
    terms = TermsAcceptance.objects.get(company=foreign.company).terms
    with pytest.raises(ValueError, match="another merchant"):
        record_acceptance(tenant.company(), terms=terms, user=None, email=EMAIL, source=SOURCE, now=timezone.now())
