"""What the doctor asks about quotes."""

from collections.abc import Iterator

from quotes.models import Callback
from wisepay.doctor import Finding, question


@question
def callbacks() -> Iterator[Finding]:
    """Callbacks that CPQ did not take."""
    failing = Callback.objects.filter(delivered_at=None, gave_up_at=None, tries__gt=0).count()
    yield Finding("cpq callbacks", None if failing else True, f"{failing} being tried again")
