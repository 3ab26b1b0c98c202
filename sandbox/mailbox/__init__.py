"""The practice mailbox: an SMTP server that delivers to nobody, and pages that show what it was given."""

from sandbox.core.service import Service
from sandbox.mailbox.smtp import run_smtp_server
from sandbox.mailbox.views import links, routes

service = Service(name="Mailbox", prefix="/mailbox", routes=routes, links=links, lifespan=run_smtp_server)
