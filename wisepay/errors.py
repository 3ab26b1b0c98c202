"""How other systems refuse: later, never, not there, or not connected."""

from collections.abc import Iterator
from contextlib import contextmanager


class Unavailable(Exception):
    """The other system cannot answer now. Try again after `retry_after` seconds (None: we choose).

    `maybe_done` False means that it certainly did nothing; True that a write may have happened.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, maybe_done: bool = True) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.maybe_done = maybe_done


class Rejected(Exception):
    """The other system understood the request and refused it; the same request again is useless."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class NotPermitted(Rejected):
    """The other system accepts our credentials, and they may not do this."""


class NotThere(Rejected):
    """The other system says that `thing` does not exist, in this account and mode. Nothing else may be read as that."""

    def __init__(self, code: str, message: str, *, thing: str) -> None:
        super().__init__(code, message)
        self.thing = thing


@contextmanager
def retry_refusals() -> Iterator[None]:
    """Raise Unavailable for what is refused in the block: a refused question says nothing about what it asked for.

    NotThere, which is an answer, passes.
    """
    try:
        yield
    except NotThere:
        raise
    except Rejected as error:
        raise Unavailable(str(error)) from error


class Disconnected(Exception):
    """The other system does not accept our credentials; a person must connect again."""
