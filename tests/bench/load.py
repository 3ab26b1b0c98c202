"""A load of its own process: `python -m tests.bench.load < order.json`, so that no server shares its interpreter.

The order names host, port, concurrency, warm_up and requests (method, path, headers, body). Every thread keeps one
connection. The answer is a list of [status, milliseconds], without the warm-up.
"""

import http.client
import json
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

Call = dict[str, Any]
Seen = tuple[int, float]


def shoot(order: dict[str, Any]) -> list[Seen]:
    """Send everything, `concurrency` at a time, each thread as soon as its last answer is read."""
    calls, lock = iter(order["requests"]), threading.Lock()
    seen: list[Seen] = []
    threads = [threading.Thread(target=work, args=(order, calls, lock, seen)) for _ in range(int(order["concurrency"]))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen[int(order["warm_up"]) :]


def work(order: dict[str, Any], calls: Iterator[Call], lock: threading.Lock, seen: list[Seen]) -> None:
    """One client with one connection."""
    connection = http.client.HTTPConnection(order["host"], int(order["port"]), timeout=30)
    while True:
        with lock:
            call = next(calls, None)
        if call is None:
            break
        seen.append(ask(connection, call))
    connection.close()


def ask(connection: http.client.HTTPConnection, call: Call) -> Seen:
    """One exchange, read to its end."""
    begin = time.perf_counter()
    connection.request(call["method"], call["path"], body=call.get("body"), headers=call.get("headers", {}))
    answer = connection.getresponse()
    answer.read()
    return answer.status, (time.perf_counter() - begin) * 1000


if __name__ == "__main__":
    sys.stdout.write(json.dumps(shoot(json.load(sys.stdin))))
