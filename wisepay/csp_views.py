"""Where browsers report what a content security policy stopped, and where people report what they found."""

from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from wisepay import clock
from wisepay.addresses import build_public_url
from wisepay.http import get_client_ip, record_rate_limited_use
from wisepay.input import UnreadableBody, read_json
from wisepay.models import PageFinding
from wisepay.page_findings import parse_csp_reports, record_page_finding

MAX_BYTES = 16 * 1024
MINUTE = timedelta(minutes=1)
PER_ADDRESS, IN_ALL = 20, 300  # reports a minute
MEDIA_TYPES = ("application/csp-report", "application/reports+json", "application/json")


@csrf_exempt
@require_POST
def receive_csp_reports(request: HttpRequest) -> HttpResponse:
    """Count what a browser reports. A browser learns nothing of it, and nobody can fill the table."""
    length = request.headers.get("Content-Length", "")
    if request.content_type not in MEDIA_TYPES or not length.isdecimal() or int(length) > MAX_BYTES:
        return HttpResponse(status=413 if length.isdecimal() and int(length) > MAX_BYTES else 415)
    now = clock.now()
    for key, limit in ((f"csp:{get_client_ip(request)}", PER_ADDRESS), ("csp", IN_ALL)):
        if record_rate_limited_use(key, limit=limit, per=MINUTE, now=now):
            return HttpResponse(status=429)
    try:
        body = read_json(request.body)
    except UnreadableBody:
        return HttpResponse(status=400)
    for report in parse_csp_reports(body):
        record_page_finding(source=PageFinding.Source.BROWSER, now=now, **report)
    return HttpResponse(status=204)


@require_GET
@cache_control(public=True, max_age=86_400)
def security_txt(request: HttpRequest) -> HttpResponse:
    """/.well-known/security.txt (RFC 9116): where a finding is reported."""
    expires = (clock.now() + timedelta(days=180)).replace(hour=0, minute=0, second=0, microsecond=0)
    lines = [
        f"Contact: {settings.SECURITY_CONTACT}",
        f"Expires: {expires:%Y-%m-%dT%H:%M:%SZ}",
        "Preferred-Languages: en",
        f"Canonical: {build_public_url('/.well-known/security.txt')}",
    ]
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")
