"""Paths below /accounts/: signing in, second factors, sessions, and sign-on with Xero or Microsoft."""

from django.urls import include, path

from wisepay.accounts.recovery_codes import DownloadRecoveryCodes, ShowRecoveryCodes
from wisepay.accounts.views import change_own_name, offer_second_factor

urlpatterns = [
    path("", include("allauth.account.urls")),
    path("name/", change_own_name, name="own_name"),
    path("2fa/offer/", offer_second_factor, name="two_factor_offer"),
    path("2fa/recovery-codes/", ShowRecoveryCodes.as_view()),
    path("2fa/recovery-codes/download/", DownloadRecoveryCodes.as_view()),
    path("2fa/", include("allauth.mfa.urls")),
    path("sessions/", include("allauth.usersessions.urls")),
    path("connected/", include("allauth.socialaccount.urls")),
    path("sign-on/", include("wisepay.social.urls")),
]
