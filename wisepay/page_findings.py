"""What is not as it should be on our pages: what browsers report, and what our own check of the payment page finds."""

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.db import connection
from django.db.models import Sum
from django.urls import Resolver404, resolve

from wisepay import clock
from wisepay.addresses import get_public_netloc
from wisepay.health_checks import HealthCheckResult, register_health_check
from wisepay.models import PageFinding

MAX_ROWS = 500  # different findings; what comes beyond them is not stored
STORED = timedelta(days=90)
RECENT = timedelta(days=1)
RECORD_SQL = """
INSERT INTO wisepay_pagefinding AS f (key, source, rule, subject, page, count, first_at, last_at)
SELECT %(key)s, %(source)s, %(rule)s, %(subject)s, %(page)s, 1, %(now)s, %(now)s
WHERE EXISTS (SELECT 1 FROM wisepay_pagefinding WHERE key = %(key)s)
   OR (SELECT count(*) FROM wisepay_pagefinding) < %(most)s
ON CONFLICT (key) DO UPDATE SET count = f.count + 1, last_at = EXCLUDED.last_at
"""


def record_page_finding(*, source: str, rule: str, subject: str, page: str, now: datetime) -> None:
    """Count a finding; a new one is stored unless there are too many already."""
    values = {"source": source, "rule": rule[:60], "subject": subject[:200], "page": page[:120]}
    key = hashlib.sha256("\n".join(values.values()).encode()).hexdigest()[:40]
    with connection.cursor() as cursor:
        cursor.execute(RECORD_SQL, {**values, "key": key, "now": now, "most": MAX_ROWS})


def parse_csp_reports(body: Any) -> Iterator[dict[str, str]]:
    """What a browser reports, in either of the two forms, without addresses that could be anybody's secret."""
    rows = body if isinstance(body, list) else [body]
    for row in rows[:10]:
        if not isinstance(row, dict):
            continue
        found = row.get("csp-report") if "csp-report" in row else row.get("body")
        if isinstance(found, dict):
            names = (("effective-directive", "effectiveDirective", "violated-directive"),)
            rule = next((str(found[name]) for name in names[0] if found.get(name)), "")
            blocked = str(found.get("blocked-uri") or found.get("blockedURL") or "")
            page = str(found.get("document-uri") or found.get("documentURL") or row.get("url") or "")
            yield {"rule": clean(rule), "subject": clean(name_origin(blocked)), "page": name_route(page)}


def clean(text: str) -> str:
    """The text as a database and a terminal can show it."""
    return "".join(c for c in text.encode(errors="replace").decode() if c.isprintable())


def name_origin(url: str) -> str:
    """Scheme and host of an address, or the word that stands in its place ("inline", "eval")."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname}" if parts.hostname else (parts.scheme or parts.path)
    except ValueError:
        return "unreadable"


def name_route(url: str) -> str:
    """The route of a page of ours: never its references and tokens. Empty for a page that is not ours."""
    try:
        parts = urlsplit(url)
        ours = parts.netloc == get_public_netloc()
        return str(resolve(parts.path).route) if ours else ""
    except (ValueError, Resolver404):
        return ""


def delete_old_page_findings(*, now: datetime) -> int:
    """Delete what was not seen for three months; answer how many."""
    return PageFinding.objects.filter(last_at__lt=now - STORED).delete()[0]


@register_health_check
def check_pages() -> Iterator[HealthCheckResult]:
    """Say what was found on pages in the last day: by our own check it is an alarm, by browsers worth knowing."""
    recent = PageFinding.objects.filter(last_at__gt=clock.now() - RECENT)
    for finding in recent.filter(source=PageFinding.Source.CHECK).order_by("pk"):
        yield HealthCheckResult("payment page", False, f"{finding.rule}: {finding.subject}")
    reports = recent.filter(source=PageFinding.Source.BROWSER)
    count = reports.aggregate(count=Sum("count"))["count"] or 0
    yield HealthCheckResult(
        "csp reports", None if count else True, f"{count} of {reports.count()} kinds in the last day"
    )
