"""Paths of payers: the welcome link, and what they set for themselves."""

from django.urls import path

from payers import privacy_views, registration_views, views, welcome_views

app_name = "payers"
urlpatterns = [
    path("welcome/", welcome_views.welcome, name="welcome"),
    path("welcome/password", welcome_views.choose_password, name="welcome_password"),
    path("welcome/details", welcome_views.confirm_details, name="welcome_details"),
    path("welcome/again", welcome_views.send_again, name="welcome_again"),
    path("welcome/sent", welcome_views.sent_again, name="welcome_sent"),
    path("welcome/switch", welcome_views.switch_person, name="welcome_switch"),
    path("welcome/registrations", registration_views.answer_registrations, name="welcome_registrations"),
    path("welcome/<secret:token>", welcome_views.open_link, name="welcome_link"),
    path("my/details", views.my_details, name="my_details"),
    path("my/data", privacy_views.my_data, name="my_data"),
    path("my/data/download", privacy_views.download_data, name="download_data"),
    path("my/data/erase", privacy_views.erase_data, name="erase_data"),
    path(
        "m/<slug:merchant_ref>/payers/p/<slug:user_ref>/sessions/end",
        privacy_views.end_payer_sessions,
        name="end_sessions",
    ),
    path("my/notifications", views.my_notifications, name="my_notifications"),
    path("my/stop-seeing", views.stop_impersonation, name="stop_seeing"),
    path("m/<slug:merchant_ref>/payers/see/<slug:access_ref>", views.start_impersonation, name="start_seeing"),
]
