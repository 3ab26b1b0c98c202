"""Logs: whatever is logged, and by whomever, no key, token or card number is written."""

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator

import pytest
import structlog

from wisepay.logs import configure_logs, redact_text

LEAKS = [
    "sk_test_4eC39HqLyjWDarjtT1zdp7dc",
    "rk_live_4eC39HqLyjWDarjtT1zdp7dc",
    "whsec_practice0secret",
    "wpk_3fGhJk45TyUiOp",
    "Bearer 4f.abc-def",
    "Basic c2stdGVzdDo=",
    "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "pi_3abc_secret_9xyz",
    "4242424242424242",
    "4242 4242 4242 4242",
    "3782-822463-10005",
]
Written = Callable[[], str]


@pytest.fixture(params=[True, False], ids=["json", "console"])
def written(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Written]:
    """The logs as a process is configured to write them; the call answers what was written."""
    root, stream = logging.getLogger(), io.StringIO()
    saved, level = root.handlers[:], root.level
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logs(as_json=request.param, level="INFO")
    root.handlers[:] = [h for h in root.handlers if getattr(h, "stream", None) is stream]
    assert len(root.handlers) == 1
    yield stream.getvalue
    root.handlers[:] = saved
    root.setLevel(level)


class Reply:
    """An object whose text contains a secret."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return f"<Reply {self.text}>"


@pytest.mark.parametrize("leak", LEAKS)
def test_no_secret_is_written_wherever_it_stands(written: Written, leak: str) -> None:
    log = structlog.get_logger("wisepay.test")
    log.info(f"said {leak} aloud")
    log.info("kwargs", answer=f"got {leak}", nested={"list": [f"x {leak}"], "map": {"a": leak}}, pair=(leak, 1))
    log.info("positional %s", leak)
    log.info("objects", error=ValueError(leak), reply=Reply(leak), raw=leak.encode(), several={leak})
    found = written()
    assert leak not in found
    assert found.count("[redacted]") >= 8


@pytest.mark.parametrize("leak", LEAKS)
def test_no_secret_is_written_from_an_exception(written: Written, leak: str) -> None:
    try:
        try:
            raise KeyError(leak)
        except KeyError as error:
            raise ValueError(f"cause {leak}") from error
    except ValueError:
        structlog.get_logger("wisepay.test").exception("failed")
        logging.getLogger("some.library").exception("failed too")
    found = written()
    assert leak not in found
    assert "ValueError" in found
    assert "some.library" in found


@pytest.mark.parametrize("leak", LEAKS)
def test_no_secret_of_a_foreign_logger_is_written(written: Written, leak: str) -> None:
    logging.getLogger("some.library").warning("asked with %s", leak)
    logging.getLogger("some.library").warning("asked with %(key)s", {"key": leak})
    found = written()
    assert leak not in found
    assert found.count("asked with [redacted]") == 2


@pytest.mark.parametrize(
    "name", ["secret_key", "access_token", "Password", "authorization", "api_key", "apikey", "cookie", "code_verifier"]
)
def test_a_value_under_a_telling_name_is_never_written(written: Written, name: str) -> None:
    structlog.get_logger("wisepay.test").info("named", **{name: "plainlooking"}, headers={name: "plainlooking"})
    assert "plainlooking" not in written()


def test_a_card_number_given_as_a_number_is_blanked(written: Written) -> None:
    structlog.get_logger("wisepay.test").info("card", number=4242424242424242, amount=62500)
    found = written()
    assert "4242424242424242" not in found
    assert "62500" in found


def test_a_line_that_cannot_be_rendered_is_not_printed_raw(written: Written) -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError("no look")

    structlog.get_logger("wisepay.test").info("said sk_test_abcdefgh", thing=Broken())
    assert "sk_test_abcdefgh" not in written()


def test_ordinary_words_and_numbers_are_written_as_they_are(written: Written) -> None:
    text = "attempt 7pq2 of A$1,250.00 on 2026-11-21 took 1250 ms for 127.0.0.1"
    structlog.get_logger("wisepay.test").info("said", text=text, count=3, good=True, nothing=None)
    found = written()
    assert text in found
    if found.startswith("{"):
        line = json.loads(found)
        assert (line["count"], line["good"], line["nothing"], line["level"]) == (3, True, None, "info")


def test_redaction_leaves_the_rest_of_a_sentence() -> None:
    assert redact_text("key sk_test_abcdefgh refused") == "key [redacted] refused"
