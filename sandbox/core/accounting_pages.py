"""What the pages of the practice accounting packages share: newest rows, forms that run actions, refusals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from sandbox.core.world import World

Record = dict[str, Any]
MAX_ROWS = 200


def list_newest(rows: Mapping[str, Record], render: Callable[[Record], Record]) -> list[Record]:
    """The latest records of a table, newest first, as the API shows them."""
    return [render(row) for row in list(rows.values())[: -MAX_ROWS - 1 : -1]]


def describe_refusal(error: Exception) -> str:
    """The sentence that a person reads when an action was refused."""
    if isinstance(error, KeyError):
        return f"{error.args[0]} is missing."
    return " ".join(str(word) for word in error.args)


async def run_form_action(
    world: World,
    request: Request,
    action: Callable[[Record], str],
    *,
    render_problem: Callable[[str], Response],
    refusals: tuple[type[Exception], ...],
) -> Response:
    """Run an action with the fields of a form and go to the address it returns, or show why it was refused."""
    params: Record = {name: str(value) for name, value in (await request.form()).items() if value}
    try:
        target = action(params)
    except refusals as error:
        return render_problem(describe_refusal(error))
    world.mark_changed()
    return RedirectResponse(target, 303)
