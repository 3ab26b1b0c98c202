"""Every path of the site; apps are named by strings, so the ground imports none of them."""

from django.contrib import admin
from django.urls import include, path

from wisepay.views import alive, ready

urlpatterns = [
    path("", include("merchants.urls")),
    path("", include("connections.urls")),
    path("", include("payments.urls")),
    path("", include("accounting.urls")),
    path("", include("quotes.urls")),
    path("accounts/", include("allauth.account.urls")),
    path("operators/", admin.site.urls),
    path("health/alive", alive),
    path("health/ready", ready),
]
handler404 = "wisepay.views.not_found"
handler500 = "wisepay.views.server_error"
handler403 = "wisepay.views.forbidden"
