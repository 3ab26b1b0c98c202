"""Paths of Pay Now."""

from django.urls import path

from payments.checkout import api, views

PREFIX = "pay/<secret_slug:reference>"
ATTEMPTS, SETUPS = {"actions": api.ATTEMPT_ACTIONS}, {"actions": api.SETUP_ACTIONS}
urlpatterns = [
    path(PREFIX, views.invoice_details, name="pay"),
    path(f"{PREFIX}/guest", views.guest, name="guest"),
    path(f"{PREFIX}/register", views.register, name="register"),
    path(f"{PREFIX}/checkout", views.checkout, name="checkout"),
    path(f"{PREFIX}/attempts", api.create, ATTEMPTS, name="create_attempt"),
    path(f"{PREFIX}/attempts/<slug:operation_ref>/check", api.check, ATTEMPTS, name="check_attempt"),
    path(f"{PREFIX}/attempts/<slug:operation_ref>/stop", api.stop, ATTEMPTS, name="stop_attempt"),
    path(f"{PREFIX}/setups", api.create, SETUPS, name="create_setup"),
    path(f"{PREFIX}/setups/<slug:operation_ref>/check", api.check, SETUPS, name="check_setup"),
    path(f"{PREFIX}/setups/<slug:operation_ref>/stop", api.stop, SETUPS, name="stop_setup"),
]
