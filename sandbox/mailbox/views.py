"""The pages of the mailbox: the list, one message, its HTML part in a sandboxed frame, and JSON for tests."""

import re
from collections.abc import Sequence
from datetime import datetime

from markupsafe import Markup, escape
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.core.pages import CONTENT_SECURITY_POLICY, render_page
from sandbox.core.service import Link
from sandbox.core.world import World
from sandbox.mailbox.messages import Message, delete_messages, find_message, list_messages

# The mail may style itself and show pictures of this computer; it may run nothing and reach nothing else.
MAIL_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
    "img-src data: http://127.0.0.1:* http://localhost:*; base-uri 'none'; form-action 'none'"
)
ADDRESS = re.compile(r"https?://[^\s<>\"')\]]+[^\s<>\"')\].,;:!?]")


def routes(world: World) -> Sequence[BaseRoute]:
    """The mailbox below /mailbox."""

    def found(request: Request) -> Message:
        message = find_message(world, request.path_params["id"])
        if message is None:
            raise HTTPException(404, "No such message.")
        return message

    async def index(request: Request) -> Response:
        to = request.query_params.get("to", "")
        return render_page("mailbox_list.html", messages=list_messages(world, to=to), to=to, when=format_time)

    async def listing(request: Request) -> Response:
        return JSONResponse({"messages": list_messages(world, to=request.query_params.get("to", ""))})

    async def clear(request: Request) -> Response:
        delete_messages(world)
        return RedirectResponse("/mailbox/", 303)

    async def show(request: Request) -> Response:
        message = found(request)
        return render_page(
            "mailbox_message.html",
            policy=f"{CONTENT_SECURITY_POLICY}; frame-src 'self'",
            message=message,
            text=link_addresses(message["text"]),
            when=format_time,
        )

    async def html(request: Request) -> Response:
        # A link opens a page of its own: inside the frame it would be powerless.
        body = '<base target="_blank">' + found(request)["html"]
        return HTMLResponse(body, headers={"Content-Security-Policy": MAIL_POLICY})

    return [
        Route("/", index),
        Route("/", clear, methods=["POST"]),
        Route("/messages.json", listing),
        Route("/{id}", show),
        Route("/{id}/html", html),
    ]


def links(world: World) -> Sequence[Link]:
    """What the home page says of the mailbox."""
    return [Link("Mailbox", "/mailbox/", f"{len(list_messages(world))} messages; SMTP on port {world.smtp_port}")]


def format_time(iso: str) -> str:
    """An instant for people, in UTC."""
    return datetime.fromisoformat(iso).strftime("%Y-%m-%d %H:%M:%S")


def link_addresses(text: str) -> Markup:
    """The text with its web addresses made into links and all else escaped."""
    pieces, end = [], 0
    for match in ADDRESS.finditer(text):
        address = escape(match[0])
        link = Markup('<a href="{0}" rel="noreferrer">{0}</a>').format(address)
        pieces += [escape(text[end : match.start()]), link]
        end = match.end()
    return Markup("").join([*pieces, escape(text[end:])])
