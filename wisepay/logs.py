"""Structured logs, with secrets, card numbers and the links that open something redacted."""

import logging
import logging.config
import re
from collections.abc import Mapping

import structlog
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.http import UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from structlog.typing import EventDict, Processor, WrappedLogger

from wisepay.log_routes import redact_routes

SECRET_NAMES = re.compile(r"secret|token|password|authorization|api_?key|cookie|signature|verifier", re.I)
SECRET_VALUES = re.compile(
    r"(?:sk|rk|whsec|pk)_[A-Za-z0-9_]{6,}|wpk_[A-Za-z0-9]{8,}|(?:Bearer|Basic) [\w.~+/=-]+"
    r"|\beyJ[\w-]+\.[\w-]+\.[\w-]*|(?:pi|seti)_\w+_secret_\w+|\b(?:\d[ -]?){13,19}\b"
)


# What Django logs with a traceback although it is the request that was wrong.
REFUSALS = (BadRequest, MultiPartParserError, PermissionDenied, SuspiciousOperation, UnreadablePostError)


def shorten_refusal(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Say in a word why a request was refused, without a traceback: anybody can cause it (a structlog processor)."""
    info = event.get("exc_info")
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, REFUSALS):
        del event["exc_info"]
        event["refused"] = type(error).__name__
    return event


def redact_text(text: str) -> str:
    """Replace everything in the text that looks like a key, a token or a card number, or that a route calls secret."""
    return SECRET_VALUES.sub("[redacted]", redact_routes(text))


def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Redact an event's values by their names and by what they look like (a structlog processor)."""
    return {key: _redact_value(key, value) for key, value in event.items()}


def _redact_value(key: str, value: object) -> object:
    if isinstance(key, str) and SECRET_NAMES.search(key):
        return "[redacted]"
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {k: _redact_value(k, v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_redact_value("", v) for v in value]
    if value is None or isinstance(value, bool):
        return value
    # A renderer writes any other object by its repr, which may contain as much as a text.
    text = repr(value)
    clean = redact_text(text)
    return value if isinstance(value, int | float) and clean == text else clean


def configure_logs(*, as_json: bool, level: str) -> None:
    """Send every log line, ours and the libraries', through one redacting pipeline to stderr."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
    ]
    # A line that cannot be rendered is lost: the standard library would print it raw.
    logging.raiseExceptions = False
    last: Processor = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": shared,
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            shorten_refusal,
            structlog.processors.format_exc_info,
            redact,
            last,
        ],
    }
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"structured": formatter},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
            "root": {"handlers": ["stderr"], "level": level},
            "loggers": {
                # gunicorn writes with handlers of its own, and requests with their whole address, unless told here.
                "gunicorn.access": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
                "gunicorn.error": {"handlers": ["stderr"], "level": level, "propagate": False},
                "urllib3": {"level": "WARNING"},
                "stripe": {"level": "WARNING"},
                "xero_python": {"level": "WARNING"},
                "kombu": {"level": "WARNING"},
                "celery": {"level": "WARNING"},
            },
        }
    )
