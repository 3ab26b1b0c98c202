"""Beat and the workers, of which no test has any, as the heartbeats show them."""

from datetime import timedelta

from django.utils import timezone

from wisepay.heartbeats import BEAT, SWEEP, record_heartbeat
from wisepay.models import OutboxMessage

WORKER = "worker:celery@one"


def let_everything_live(*, seconds: int = 5) -> None:
    """So long ago each of them showed that it lives; what is due has not waited yet."""
    OutboxMessage.objects.filter(state="pending", run_after__lt=timezone.now()).update(run_after=timezone.now())
    for name in (BEAT, SWEEP, WORKER):
        record_heartbeat(name, now=timezone.now() - timedelta(seconds=seconds))
