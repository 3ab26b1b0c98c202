"""The practice mailbox: an SMTP server that delivers to nobody, and pages that show what it was given."""

from sandbox.mailbox.smtp import receiving
from sandbox.mailbox.views import links, routes
from sandbox.service import Service

service = Service(name="Mailbox", prefix="/mailbox", routes=routes, links=links, lifespan=receiving)
