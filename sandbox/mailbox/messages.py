"""The messages that the mailbox keeps: read from raw bytes, newest first, never more than 500."""

from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, cast

from sandbox.core.world import World

MAX_MESSAGES = 500
Message = dict[str, Any]


def list_messages(world: World, *, to: str = "") -> list[Message]:
    """Every kept message, newest first; with `to` only those sent to this address, whatever its case."""
    messages: list[Message] = world.get_section("mailbox", lambda: {"messages": []})["messages"]
    address = to.strip().lower()
    return [message for message in messages if not address or address in map(str.lower, message["to"])]


def find_message(world: World, message_id: str) -> Message | None:
    """The message with this id, or None."""
    return next((message for message in list_messages(world) if message["id"] == message_id), None)


def store_message(world: World, *, sender: str, recipients: list[str], raw: bytes) -> Message:
    """Keep one message as the envelope and the raw bytes have it; the oldest beyond 500 is dropped."""
    parsed = message_from_bytes(raw, policy=policy.default)
    message = {
        "id": world.id("msg"),
        "at": world.now().isoformat(),
        "from": sender,
        "to": recipients,
        "subject": str(parsed.get("subject", "")),
        "headers": [[name, str(value)] for name, value in parsed.items()],
        "text": _part(parsed, "plain"),
        "html": _part(parsed, "html"),
        "attachments": [part.get_filename() or "unnamed" for part in parsed.iter_attachments()],
    }
    messages = world.get_section("mailbox", lambda: {"messages": []})["messages"]
    messages.insert(0, message)
    del messages[MAX_MESSAGES:]
    world.mark_changed()
    return message


def delete_messages(world: World) -> None:
    """Throw every message away."""
    world.get_section("mailbox", lambda: {"messages": []})["messages"].clear()
    world.mark_changed()


def _part(parsed: EmailMessage, subtype: str) -> str:
    body = parsed.get_body(preferencelist=(subtype,))
    if body is None:
        return ""
    try:
        return str(body.get_content())
    except (LookupError, UnicodeError):
        # An unknown character set: better a damaged text than a message that cannot be opened.
        return cast(bytes, body.get_payload(decode=True) or b"").decode("utf-8", "replace")
