"""Paths of payers: the welcome link, and what they set for themselves."""

from django.urls import path

from payers import views, welcome

app_name = "payers"
urlpatterns = [
    path("welcome/", welcome.welcome, name="welcome"),
    path("welcome/password", welcome.choose_password, name="welcome_password"),
    path("welcome/details", welcome.confirm_details, name="welcome_details"),
    path("welcome/again", welcome.send_again, name="welcome_again"),
    path("welcome/sent", welcome.sent_again, name="welcome_sent"),
    path("welcome/switch", welcome.switch_person, name="welcome_switch"),
    path("welcome/<str:token>", welcome.open_link, name="welcome_link"),
    path("my/details", views.my_details, name="my_details"),
    path("my/notifications", views.my_notifications, name="my_notifications"),
    path("my/stop-seeing", views.stop_seeing, name="stop_seeing"),
    path("m/<slug:merchant_ref>/payers/see/<slug:access_ref>", views.start_seeing, name="start_seeing"),
]
