"""The command line: `python -m sandbox` runs one practice world until it is stopped."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import uvicorn

from sandbox.app import build_app
from sandbox.core.world import World


def main() -> None:
    """Serve until SIGINT or SIGTERM, then save the state."""
    parser = argparse.ArgumentParser(prog="sandbox", description="Practice versions of the vendors.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--smtp-port", type=int, default=8025)
    parser.add_argument("--state", type=Path, help="file that keeps the world between runs")
    parser.add_argument("--wisepay", default="http://127.0.0.1:8000", help="where Wise-Pay answers")
    parser.add_argument("--access-log", action="store_true")
    parser.add_argument("--url", help="how others reach this sandbox, when not by host and port")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="sandbox: %(message)s")
    world = World(
        host=options.host,
        port=options.port,
        smtp_port=options.smtp_port,
        state_file=options.state,
        config={"wisepay_url": options.wisepay, "public_url": options.url},
    )
    world.load()
    uvicorn.run(
        build_app(world),
        host=options.host,
        port=options.port,
        log_level="warning",
        access_log=options.access_log,
        proxy_headers=False,
        server_header=False,
        http="h11",
        ws="none",
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main()
