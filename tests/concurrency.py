"""Doing the same thing several times at once, each time in a thread with a database connection of its own."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from django.db import connections


def run_concurrently[T](count: int, work: Callable[[int], T]) -> list[T]:
    """`work(0)` … `work(count - 1)`, started at the same moment; their answers in order. Raises what they raise."""
    start = Barrier(count)

    def run(index: int) -> T:
        try:
            start.wait(timeout=10)
            return work(index)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))
