"""The WSGI application for gunicorn."""

import gc
import os

from django.core.wsgi import get_wsgi_application

from wisepay.checks import refuse_unsafe_start

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "wisepay.settings")
application = get_wsgi_application()
refuse_unsafe_start()
# What was loaded lives as long as the process: the collector need not look at it while a payer waits.
gc.collect()
gc.freeze()
