"""POSTs to webhook receivers, beside the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import requests

TIMEOUT = (3, 10)
PostResult = tuple[int | None, str | None]


async def post_in_thread(
    url: str, body: str, headers: dict[str, str], timeout: tuple[float, float] = TIMEOUT
) -> PostResult:
    """POST from a daemon thread, so that a silent receiver can hold up neither the loop nor the end."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[PostResult] = loop.create_future()

    def finish(result: PostResult) -> None:
        if not done.done():
            done.set_result(result)

    def work() -> None:
        result = post(url, body, headers, timeout)
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(finish, result)

    threading.Thread(target=work, daemon=True, name="webhook").start()
    return await done


def post(url: str, body: str, headers: dict[str, str], timeout: tuple[float, float] = TIMEOUT) -> PostResult:
    """The receiver's status, or why there is none. Redirects count as failures."""
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(url, data=body.encode(), headers=headers, timeout=timeout, allow_redirects=False)
            return answer.status_code, None
    except requests.RequestException as error:
        return None, type(error).__name__
