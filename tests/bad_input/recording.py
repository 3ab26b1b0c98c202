"""A middleware that notes which fields of a request the page reads, however it reads them."""

from collections.abc import Callable, Iterator
from typing import Any

from django.http import HttpRequest, HttpResponseBase, QueryDict

form_fields: set[str] = set()
query_fields: set[str] = set()


class RecordingDict(QueryDict):
    """The fields of a request; who asks for one is noted."""

    seen: set[str]

    @classmethod
    def record(cls, fields: QueryDict, seen: set[str]) -> "RecordingDict":
        """The same fields, noting who asks for which."""
        found = cls(mutable=True)
        found.seen = set()
        for name, values in fields.lists():
            found.setlist(name, values)
        found.seen = seen
        found._mutable = False
        return found

    def copy(self) -> QueryDict:  # type: ignore[override]
        """A copy that can be changed; what is read of it may be what the page put into it, and is not noted."""
        found = QueryDict(mutable=True)
        for name, values in self.lists():
            found.setlist(name, values)
        return found

    def __getitem__(self, name: str) -> Any:
        self.seen.add(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self.seen.add(str(name))
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.seen.add(name)
        return super().get(name, default)

    def getlist(self, name: str, default: Any = None) -> Any:
        self.seen.add(name)
        return super().getlist(name, default)


class RecordReads:
    """Gives the page recording dictionaries for its form and its query."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request.GET = RecordingDict.record(request.GET, query_fields)  # type: ignore[assignment]
        if request.content_type in ("application/x-www-form-urlencoded", "multipart/form-data"):
            request.POST = RecordingDict.record(request.POST, form_fields)  # type: ignore[assignment]
        return self.get_response(request)


def take_seen() -> Iterator[set[str]]:
    """The fields of the form and of the query that were read since the last call."""
    for seen in (form_fields, query_fields):
        yield set(seen)
        seen.clear()
