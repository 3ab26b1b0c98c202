"""Rendering the sandbox's own HTML pages, with their headers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

SANDBOX_DIR = Path(__file__).parents[1]
STATIC = SANDBOX_DIR / "static"
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; base-uri 'none'"
)

environment = Environment(
    loader=FileSystemLoader(SANDBOX_DIR / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render_page(
    template: str, *, status: int = 200, policy: str = CONTENT_SECURITY_POLICY, **context: Any
) -> HTMLResponse:
    """The template as an answer. Pages load nothing from elsewhere and run no inline script."""
    html = environment.get_template(template).render(context)
    headers = {"Content-Security-Policy": policy, "Cache-Control": "no-store"}
    return HTMLResponse(html, status_code=status, headers=headers)
