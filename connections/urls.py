"""Paths of the connections floor."""

from django.urls import path

from connections import views

app_name = "connections"
HERE = "m/<slug:merchant_ref>/configure/accounting-connections/"
urlpatterns = [
    path(HERE, views.list_connections, name="list"),
    path(HERE + "panel", views.panel, name="panel"),
    path(HERE + "notice", views.notice, name="notice"),
    path(HERE + "change-company", views.change_company, name="change_company"),
    path(HERE + "change-company/disconnect-all", views.disconnect_all, name="disconnect_all"),
    path(HERE + "<slug:tier>/connect", views.connect, name="connect"),
    path(HERE + "<slug:tier>/verify", views.verify, name="verify"),
    path(HERE + "<slug:tier>/disconnect", views.disconnect, name="disconnect"),
    path(HERE + "choose/<slug:reference>", views.choose, name="choose"),
    path("oauth/<slug:provider>/callback", views.callback, name="callback"),
]
