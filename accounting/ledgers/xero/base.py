"""What every half of the Xero ledger stands on: the tamed SDK and the organisation."""

from collections.abc import Callable
from typing import Any

from accounting.ledgers.xero.client import CallContext, build_accounting_api, call_api
from connections.rate_limiter.budget import BudgetAccount, Priority


class XeroOrganisation:
    """One organisation's API."""

    def __init__(self, access_token: str, account: BudgetAccount, *, priority: Priority) -> None:
        self._api = build_accounting_api(access_token)
        self._caller = CallContext(account, priority)

    @property
    def was_accepted(self) -> bool:
        return self._caller.account.was_accepted

    def _write(self, operation: Callable[..., Any], body: Any, *, key: str, **more: Any) -> Any:
        """A batch whose elements are judged one by one."""
        return call_api(operation, self._caller, body, summarize_errors=False, idempotency_key=key, **more)

    def _read(self, operation: Callable[..., Any], **which: Any) -> Any:
        """One answer to a question; questions of None are not asked."""
        asked = {name: value for name, value in which.items() if value is not None}
        return call_api(operation, self._caller, **asked)

    def _read_invoices(self, **which: list[str]) -> list[Any]:
        """Invoices by `invoice_numbers` or `i_ds`."""
        return list(self._read(self._api.get_invoices, page=1, page_size=100, **which).invoices or [])
