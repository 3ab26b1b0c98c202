"""Paths below /accounts/: signing in, second factors, sessions, and signing on with another company's account."""

from django.urls import include, path

from wisepay.sign_in import offer_second_factor

urlpatterns = [
    path("", include("allauth.account.urls")),
    path("2fa/offer/", offer_second_factor, name="two_factor_offer"),
    path("2fa/", include("allauth.mfa.urls")),
    path("sessions/", include("allauth.usersessions.urls")),
    path("connected/", include("allauth.socialaccount.urls")),
    path("sign-on/", include("wisepay.social.urls")),
]
