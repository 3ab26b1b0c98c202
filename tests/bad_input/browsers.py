"""The browsers of a scene: of its payer, its administrator, of who came by a link, or of nobody."""

from allauth.mfa.models import Authenticator
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from merchants.member_invitations import build_token, invite_member
from merchants.models import MemberInvitation, Terms
from tests.bad_input.scene import Scene
from tests.sign_in_steps import enrol_authenticator
from tests.tenants import PASSWORD, get_role
from wisepay.models import User


def open_browser(scene: Scene, who: str) -> Client:
    """A fresh browser of the payer, the admin, or nobody."""
    client, admin = Client(raise_request_exception=False), scene.tenant.user
    if who == "payer":
        client.force_login(scene.access.user)
    elif who == "admin":
        client.force_login(admin)
        prove_again(client, admin)
    elif who == "enrolled":
        if not Authenticator.objects.filter(user=admin, type="totp").exists():
            enrol_authenticator(admin)
        client.force_login(admin)
        prove_again(client, admin)
    elif who == "newcomer":
        client.force_login(User.objects.get(pk=scene.invited.user_id))
    elif who == "signing in":
        client.post("/accounts/login/", {"login": admin.email, "password": PASSWORD})
    else:
        follow_link(client, scene, who)
    return client


def follow_link(client: Client, scene: Scene, who: str) -> None:
    """Let the browser come by a link: of an invitation to work here, or of a payment that saves a method."""
    if who == "registered":
        words = {"name": "Ada", "email": f"registered-{scene.mark}@harbourdental.example", "phone": ""}
        terms = {"accepted_terms": scene.terms(Terms.Kind.USER_ACCOUNT)}
        client.post(f"{scene.saving.path}/register", words | terms)
    elif who == "joining":
        client.get(reverse("merchants:join_link", args=[build_token(get_invitation(scene))]))


def prove_again(client: Client, user: User) -> None:
    """Let the browser have proved its person just now, which pages of secrets ask for."""
    session = client.session
    at = timezone.now().timestamp()
    session["account_authentication_methods"] = [{"method": "password", "at": at, "email": user.email}]
    session.save()


def get_invitation(scene: Scene) -> MemberInvitation:
    """Somebody whom the scene's merchant invited to work there, on first sight."""
    email, role = f"invited-{scene.mark}@northwind-it.example", get_role(scene.merchant, "reader")
    found = MemberInvitation.objects.filter(merchant=scene.merchant, email=email).first()
    return found or invite_member(scene.merchant, email=email, role=role, by=scene.tenant.user, now=scene.now)
