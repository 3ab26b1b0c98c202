"""The practice Order Porter: quotes that customers accept on a page and pay through Wise-Pay."""

from sandbox.core.service import JournalledPath, Service
from sandbox.orderporter.views import links, routes

service = Service(
    name="Order Porter",
    prefix="/orderporter",
    routes=routes,
    links=links,
    journalled_paths=[JournalledPath("orderporter", "/orderporter", "/callback")],
)
