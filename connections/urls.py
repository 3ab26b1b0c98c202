"""Paths of the connections floor."""

from django.urls import path

from connections import views

app_name = "connections"
PREFIX = "m/<slug:merchant_ref>/configure/accounting-connections/"
urlpatterns = [
    path(PREFIX, views.list_connections, name="list"),
    path(PREFIX + "panel", views.panel, name="panel"),
    path(PREFIX + "notice", views.connection_alert, name="notice"),
    path(PREFIX + "change-company", views.change_company, name="change_company"),
    path(PREFIX + "change-company/disconnect-all", views.disconnect_all, name="disconnect_all"),
    path(PREFIX + "<slug:tier>/connect", views.connect, name="connect"),
    path(PREFIX + "<slug:tier>/verify", views.verify, name="verify"),
    path(PREFIX + "<slug:tier>/disconnect", views.disconnect, name="disconnect"),
    path(PREFIX + "choose/<slug:reference>", views.choose, name="choose"),
    path("oauth/<slug:provider>/callback", views.callback, name="callback"),
]
