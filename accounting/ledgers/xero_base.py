"""What every half of the Xero ledger stands on: the tamed SDK and the organisation."""

from collections.abc import Callable
from typing import Any

from accounting.ledgers.xero_client import Caller, accounting_api, call
from connections.budget import Account, Lane


class XeroOrganisation:
    """One organisation's API."""

    def __init__(self, access_token: str, account: Account, *, lane: Lane) -> None:
        self._api = accounting_api(access_token)
        self._caller = Caller(account, lane)

    @property
    def was_accepted(self) -> bool:
        return self._caller.account.was_accepted

    def _write(self, operation: Callable[..., Any], body: Any, *, key: str, **more: Any) -> Any:
        """A batch whose elements are judged one by one."""
        return call(operation, self._caller, body, summarize_errors=False, idempotency_key=key, **more)

    def _read(self, operation: Callable[..., Any], **which: Any) -> Any:
        """One answer to a question; questions of None are not asked."""
        asked = {name: value for name, value in which.items() if value is not None}
        return call(operation, self._caller, **asked)

    def _invoices(self, **which: list[str]) -> list[Any]:
        """Invoices by `invoice_numbers` or `i_ds`."""
        return list(self._read(self._api.get_invoices, page=1, page_size=100, **which).invoices or [])
