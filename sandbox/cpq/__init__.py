"""The practice ConnectWise CPQ (Sell): the vendor's REST API over the quotes of the practice Order Porter."""

from sandbox.core.service import JournalledPath, Service
from sandbox.cpq.api import build_error, routes

service = Service(
    name="ConnectWise CPQ",
    prefix="/cpq",
    routes=routes,
    journalled_paths=[JournalledPath("cpq", "/cpq", "/api/"), JournalledPath("cpq", "/cpq", "/settings/")],
    build_error=build_error,
)
