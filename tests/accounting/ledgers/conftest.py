"""What the tests of every ledger can ask for."""

from tests.accounting.ledgers.ledger_case import ledger_case

__all__ = ["ledger_case"]
