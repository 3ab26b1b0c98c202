"""Who gets access to what: registering while paying, invitations, signed-in payers, removal, and each of it twice."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from payers.companies import CompanyTaken, Contact, ensure_company, map_company, rename_company
from payers.invitations import TooManyMails, renew_invitation
from payers.models import Invitation, Payer, PayerAccess, TermsAcceptance
from payers.registration import change_scope, enter_signed_in, invite_payer, remove_access
from payers.terms import record_acceptance
from tests.payers.desk import EMAIL, WHENCE, invite, link, mails, register
from tests.people import House
from wisepay.models import User


def remove(house: House, access: PayerAccess) -> bool:
    """Take the access away."""
    with transaction.atomic():
        return remove_access(access, by=house.user, now=timezone.now())


# ---- registering while paying ----------------------------------------------------------------------


def test_registering_makes_a_person_who_can_not_sign_in_and_an_access_that_waits(house: House) -> None:
    access = register(house, "  Ada@HarbourDental.example ", phone="123")
    user = User.objects.get(email=EMAIL)
    assert (user.name, user.has_usable_password()) == ("Ada Lind", False)
    assert (access.user, access.state, access.scope, access.origin) == (user, "pending", "own", "registered")
    assert Payer.objects.get(user=user).state == "invited"
    told = TermsAcceptance.objects.get()
    assert (told.user, told.email, told.ip, told.user_agent) == (None, EMAIL, WHENCE.ip, WHENCE.user_agent)
    assert [m["subject"] for m in mails(house)] == ["Welcome to Wise-Pay"]


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
    house: House, of_company: str, typed: str, scope: str
) -> None:
    company = house.company(email=of_company)
    assert register(house, typed, company=company).scope == scope


def test_registering_again_at_once_is_one_person_one_access_one_mail(house: House) -> None:
    first = register(house, next_path="/pay/one")
    again = register(house, next_path="/pay/two")
    assert (again.pk, User.objects.filter(email=EMAIL).count(), len(mails(house))) == (first.pk, 1, 1)
    assert Invitation.objects.get().next_path == "/pay/two"
    assert TermsAcceptance.objects.count() == 2


def test_registering_again_much_later_sends_a_new_link(house: House) -> None:
    register(house, next_path="/pay/one")
    older = link(house)
    register(house, now=timezone.now() + timedelta(minutes=6))
    assert link(house) != older
    assert Invitation.objects.get(replaced_at=None).next_path == "/pay/one"


def test_mails_that_a_stranger_causes_end_somewhere_and_nobody_sees_it(house: House) -> None:
    now = timezone.now()
    for minute in range(0, 58, 6):
        access = register(house, now=now + timedelta(minutes=minute))
        assert access.state == "pending"
        mails(house)
    assert len(mails(house)) == 6


def test_an_address_that_has_an_account_is_answered_alike(house: House) -> None:
    house.access("known@harbourdental.example", company="Elsewhere Ltd")
    company = house.company()
    counts = []
    for email in ("known@harbourdental.example", "fresh@harbourdental.example"):
        with CaptureQueriesContext(connection) as queries:
            access = register(house, email, company=company)
        counts.append(len(queries))
        assert (access.state, access.scope, len(mails(house, email))) == ("pending", "own", 1)
    # A person and a payer are made of an unknown address, each in a savepoint; all else is the same work.
    assert 0 <= counts[1] - counts[0] <= 8
    known = User.objects.get(email="known@harbourdental.example")
    assert (known.name, known.has_usable_password()) == ("Ada Payer", True)


def test_an_active_access_is_left_as_it_is(house: House) -> None:
    standing = house.access(EMAIL, scope="company")
    access = register(house)
    assert (access.pk, access.state, access.scope, access.origin) == (standing.pk, "active", "company", "invited")
    [mail] = mails(house)
    assert "sign in and go on" in str(mail)


def test_somebody_who_was_switched_off_is_mailed_nothing(house: House) -> None:
    User.objects.create_user(EMAIL, None, is_active=False)
    assert register(house).state == "pending"
    assert mails(house) == []


def test_a_removed_payer_who_registers_again_waits_again(house: House) -> None:
    access = house.access(EMAIL, scope="company")
    remove(house, access)
    again = register(house)
    assert (again.pk, again.state, again.scope) == (access.pk, "pending", "own")


def test_the_database_keeps_one_open_invitation_an_access(house: House) -> None:
    register(house)
    open_one = Invitation.objects.get()
    with pytest.raises(IntegrityError, match="one_open_invitation_per_access"), transaction.atomic():
        Invitation.objects.create(access=open_one.access, expires_at=open_one.expires_at)


# ---- invitations -----------------------------------------------------------------------------------


def test_an_invited_payer_may_see_the_whole_company_once_they_confirmed(house: House) -> None:
    access = invite(house)
    assert (access.state, access.scope, access.origin, access.invited_by) == (
        "pending", "company", "invited", house.user,
    )  # fmt: skip
    assert len(mails(house)) == 1


def test_inviting_somebody_who_sees_their_own_payments_widens_it(house: House) -> None:
    access = house.access(EMAIL, scope="own")
    invite(house)
    access.refresh_from_db()
    assert (access.state, access.scope, mails(house)) == ("active", "company", [])


def test_another_merchants_company_is_not_invited_into(house: House, stranger: House) -> None:
    with pytest.raises(ValueError, match="another merchant"):
        invite_payer(
            house.merchant, company=stranger.company(), email=EMAIL, name="", by=house.user, now=timezone.now()
        )
    assert not User.objects.filter(email=EMAIL).exists()


def test_too_many_invitations_of_one_person_store_nothing(house: House) -> None:
    now = timezone.now()
    access = invite(house)
    for _ in range(5):
        renew_invitation(access, now=now)
    with pytest.raises(TooManyMails):
        invite(house, company=house.company("Second Ltd"))
    assert not PayerAccess.objects.filter(company__name="Second Ltd").exists()
    with pytest.raises(TooManyMails):
        renew_invitation(access, now=now)
    assert access.invitations.filter(used_at=None, replaced_at=None).count() == 1


def test_a_link_of_a_removed_access_is_not_renewed(house: House) -> None:
    access = invite(house)
    remove(house, access)
    with pytest.raises(PayerAccess.DoesNotExist):
        renew_invitation(access, now=timezone.now())


# ---- signed in while paying ------------------------------------------------------------------------


def test_who_pays_signed_in_sees_what_they_pay_and_no_more(house: House) -> None:
    user = house.access(EMAIL, company="Elsewhere Ltd").user
    company = house.company(email="accounts@harbourdental.example")
    access = enter_signed_in(user, company, now=timezone.now())
    assert (access.state, access.scope, access.origin) == ("active", "own", "signed_in")
    assert enter_signed_in(user, company, now=timezone.now()).pk == access.pk
    assert mails(house) == []


def test_who_pays_signed_in_with_the_companys_address_sees_the_company(house: House) -> None:
    user = house.access(EMAIL, company="Elsewhere Ltd").user
    assert enter_signed_in(user, house.company(email=EMAIL.upper()), now=timezone.now()).scope == "company"


def test_a_pending_access_opens_when_its_person_pays_signed_in(house: House, browser: Client) -> None:
    user = house.access(EMAIL, company="Elsewhere Ltd").user
    access = register(house)
    path = link(house)
    opened = enter_signed_in(user, house.company(), now=timezone.now())
    assert (opened.pk, opened.state, opened.origin) == (access.pk, "active", "registered")
    browser.get(path)
    assert browser.get("/welcome/").status_code == 410


def test_a_merchants_own_person_who_pays_becomes_a_payer_that_has_to_register(house: House) -> None:
    access = enter_signed_in(house.user, house.company(), now=timezone.now())
    assert (access.state, house.user.payer.state) == ("active", "invited")
    answer = house.admin.get("/my/details")
    assert answer["Location"] == "/welcome/details?next=%2Fmy%2Fdetails"
    assert house.admin.get(answer["Location"]).status_code == 200


# ---- removing, scopes, companies, terms ------------------------------------------------------------


def test_removing_twice_is_removing_once(house: House) -> None:
    access = house.access(EMAIL)
    assert (remove(house, access), remove(house, access)) == (True, False)
    assert [s.to_state for s in access.history()] == ["removed"]


def test_a_scope_that_nobody_knows_is_refused(house: House) -> None:
    access = house.access(EMAIL)
    with pytest.raises(ValueError, match="no scope"):
        change_scope(access, scope="everything", by=house.user, now=timezone.now())
    change_scope(access, scope="own", by=house.user, now=timezone.now())
    assert PayerAccess.objects.get().scope == "own"


def test_a_company_is_found_by_its_contact_whatever_it_is_called(house: House) -> None:
    contact = Contact("org", "c-1")
    first = ensure_company(house.merchant, name="Harbour Dental", contact=contact)
    assert ensure_company(house.merchant, name="Quite Another", contact=contact) == first
    assert ensure_company(house.merchant, name="  harbour   DENTAL", contact=None) == first
    with pytest.raises(CompanyTaken):
        ensure_company(house.merchant, name="Harbour Dental", contact=Contact("org", "c-2"))
    first.refresh_from_db()
    assert (first.organisation_id, first.contact_id) == ("org", "c-1")


def test_an_unmapped_company_of_that_name_is_mapped(house: House) -> None:
    company = house.company("Plain Ltd")
    assert ensure_company(house.merchant, name="Plain Ltd", contact=Contact("org", "c-9")) == company
    company.refresh_from_db()
    assert company.contact_id == "c-9"


def test_two_companies_are_never_one_contact(house: House) -> None:
    map_company(house.company("One"), contact=Contact("org", "c-1"))
    with pytest.raises(CompanyTaken):
        map_company(house.company("Two"), contact=Contact("org", "c-1"))
    assert house.company("Two").contact_id == ""


def test_a_company_keeps_its_contact_when_it_is_renamed_and_no_name_twice(house: House) -> None:
    one, _ = map_company(house.company("One"), contact=Contact("org", "c-1")), house.company("Two")
    rename_company(one, name=" One  Again ")
    one.refresh_from_db()
    assert (one.name, one.folded_name, one.contact_id) == ("One Again", "one again", "c-1")
    with pytest.raises(CompanyTaken):
        rename_company(one, name="TWO")


def test_terms_of_another_merchant_are_accepted_for_nobody(house: House, stranger: House) -> None:
    foreign = register(stranger)
    terms = TermsAcceptance.objects.get(company=foreign.company).terms
    with pytest.raises(ValueError, match="another merchant"):
        record_acceptance(house.company(), terms=terms, user=None, email=EMAIL, source=WHENCE, now=timezone.now())
