"""The practice Order Porter: quotes that customers accept on a page and pay through Wise-Pay."""

from sandbox.orderporter.views import links, routes
from sandbox.service import Base, Service

service = Service(
    name="Order Porter",
    prefix="/orderporter",
    routes=routes,
    links=links,
    journals=[Base("orderporter", "/orderporter", "/callback")],
)
