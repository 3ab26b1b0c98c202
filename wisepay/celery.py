"""The Celery application; its messages only wake workers, the work itself is in the outbox."""

import os

from celery import Celery, signals

from wisepay.checks import refuse_unsafe_start

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "wisepay.settings")

app = Celery("wisepay")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
refuse_unsafe_start()


@signals.setup_logging.connect
def _keep_our_logging(**_: object) -> None:
    """Celery configures logging of its own unless this signal has a receiver."""
