"""What axe finds on a page, wide and narrow, light and dark, and whether anything is cut off."""

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

WIDTHS = (1280, 390)
# A card that hides what is too wide for it hides buttons.
CUT_OFF = """
[...document.querySelectorAll(".card")].filter(card => card.scrollWidth > card.clientWidth + 1)
  .map(card => `${card.scrollWidth - card.clientWidth} px of a card are cut off: ${card.innerText.slice(0, 80)}`)
"""


def assert_accessible(page: Page) -> None:
    """Judge the page as it stands, in four looks."""
    page.wait_for_load_state("networkidle")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 860})
        sideways = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert sideways <= 0, f"{page.url} is {sideways} px wider than a window of {width}"
        cut_off = page.evaluate(CUT_OFF)
        assert cut_off == [], f"{page.url} at {width} px: {cut_off}"
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            assert violations(page) == [], f"{page.url} at {width} px, {scheme}"


def violations(page: Page) -> list[str]:
    """What axe finds, a line each."""
    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [f"{rule['id']}: {node['html']} {node['failureSummary']}" for rule in found for node in rule["nodes"]]
