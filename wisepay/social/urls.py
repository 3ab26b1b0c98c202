"""Paths of a sign-on: to the provider, and back from it."""

from django.urls import path

from wisepay.social import views

urlpatterns = [
    path("<slug:provider_id>/", views.start_sign_on, name="openid_connect_login"),
    path("<slug:provider_id>/callback/", views.callback, name="openid_connect_callback"),
]
