"""Every path of the site; apps are named by strings, so the ground imports none of them."""

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.auth.models import Group
from django.urls import include, path

from wisepay.admin import FactorAdmin, SignOnAdmin
from wisepay.audit_views import operators_audit_log
from wisepay.csp_views import receive_csp_reports, security_txt
from wisepay.views import alive, ready

# Their pages ask for a user name, which nobody has here, or would show what nobody needs to see or change.
admin.site.unregister([Authenticator, Group, SocialAccount, SocialApp, SocialToken, UserSession])
admin.site.register(Authenticator, FactorAdmin)
admin.site.register(SocialAccount, SignOnAdmin)
urlpatterns = [
    path("", include("merchants.urls")),
    path("", include("connections.urls")),
    path("", include("payers.urls")),
    path("", include("payments.payer_admin.urls")),
    path("", include("payments.urls")),
    path("", include("accounting.urls")),
    path("", include("accounting.invoices.portal_urls")),
    path("", include("accounting.paynow_links.urls")),
    path("", include("accounting.reconciliation.urls")),
    path("", include("accounting.autopay.urls")),
    path("", include("quotes.urls")),
    path("", include("psa.urls")),
    path("accounts/", include("wisepay.accounts.urls")),
    path("operators/audit/", operators_audit_log, name="operators_audit"),
    path("operators/", admin.site.urls),
    path("csp-reports", receive_csp_reports),
    path(".well-known/security.txt", security_txt),
    path("health/alive", alive),
    path("health/ready", ready),
]
handler404 = "wisepay.views.not_found"
handler500 = "wisepay.views.server_error"
handler429 = "wisepay.http.too_many_requests"
handler403 = "wisepay.views.forbidden"
