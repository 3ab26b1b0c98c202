"""The SMTP server of the mailbox, on the same event loop as the pages."""

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiosmtpd.smtp import SMTP, Envelope, Session

from sandbox.core.world import World
from sandbox.mailbox.messages import store_message

MAX_MESSAGE_SIZE = 10 * 1024 * 1024


class SmtpPortTaken(RuntimeError):
    """Another program listens on the SMTP port."""


class SmtpHandler:
    """Takes every message, and sends it nowhere.

    The world's config may refuse recipients: `smtp_refusals` has the reply to each address, such as
    "450 4.2.0 Greylisted" or "550 5.1.1 No such user".
    """

    def __init__(self, world: World) -> None:
        self.world = world

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Accept the recipient, or refuse it as the config says; the name is aiosmtpd's."""
        refusal = self.world.config.get("smtp_refusals", {}).get(address.lower())
        if refusal:
            return str(refusal)
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Store the message; the name is aiosmtpd's."""
        content = envelope.content or b""
        raw = content.encode() if isinstance(content, str) else content
        store_message(self.world, sender=envelope.mail_from or "", recipients=list(envelope.rcpt_tos), raw=raw)
        return "250 Kept in the practice mailbox"


@asynccontextmanager
async def run_smtp_server(world: World) -> AsyncIterator[None]:
    """Listen on the world's SMTP port inside the block; raises `SmtpPortTaken`."""
    loop = asyncio.get_running_loop()
    handler = SmtpHandler(world)

    def connection() -> SMTP:
        return SMTP(
            handler,
            hostname="mailbox.localhost",
            data_size_limit=MAX_MESSAGE_SIZE,
            enable_SMTPUTF8=True,
            ident="Practice mailbox",
            loop=loop,
        )

    try:
        server = await loop.create_server(connection, world.host, world.smtp_port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise SmtpPortTaken(f"SMTP port {world.smtp_port} is taken by another program.") from error
    try:
        yield
    finally:
        server.close()
