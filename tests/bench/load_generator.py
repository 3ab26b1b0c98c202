"""A load generator in a process of its own: `python -m tests.bench.load_generator < order.json`.

The order names host, port, concurrency, warm_up and requests (method, path, headers, body). Every client keeps one
connection and never rests. Requests are bytes before the clock starts and answers are read by their length: the
processors are shared with the server, so what the load itself costs would be measured as the server's. The answer is
a list of [status, milliseconds], without the warm-up.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

PATIENCE = 30
Call = dict[str, Any]
Response = tuple[int, float]


async def shoot(order: dict[str, Any]) -> list[Response]:
    """Send everything, `concurrency` at a time, each client as soon as its last answer is read."""
    calls = iter([build_raw_request(call, host=f"{order['host']}:{order['port']}") for call in order["requests"]])
    seen: list[Response] = []
    await asyncio.gather(*(work(order, calls, seen) for _ in range(int(order["concurrency"]))))
    return seen[int(order["warm_up"]) :]


def build_raw_request(call: Call, *, host: str) -> bytes:
    """A request as it goes over the wire."""
    body = (call.get("body") or "").encode()
    headers = {"Host": host, **call.get("headers", {})} | ({"Content-Length": str(len(body))} if body else {})
    lines = [f"{call['method']} {call['path']} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def work(order: dict[str, Any], calls: Iterator[bytes], seen: list[Response]) -> None:
    """One client with one connection, opened again when the server has closed it."""
    reader, writer = await asyncio.open_connection(order["host"], int(order["port"]))
    for call in calls:
        begin = time.perf_counter()
        writer.write(call)
        status, closes = await asyncio.wait_for(read_answer(reader), PATIENCE)
        seen.append((status, (time.perf_counter() - begin) * 1000))
        if closes:
            writer.close()
            reader, writer = await asyncio.open_connection(order["host"], int(order["port"]))
    writer.close()


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, bool]:
    """Status, and whether the server closes the connection; the body is read to its end."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status, _, rest = head.partition("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest.split("\r\n"))}
    await reader.readexactly(int(headers.get("content-length", 0)))
    return int(status.split(" ")[1]), headers.get("connection", "").lower() == "close"


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(shoot(json.load(sys.stdin)))))
