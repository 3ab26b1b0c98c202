"""Bar charts of incoming money by day, stacked by method or by state, with their numbers as a table."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from accounting.reconciliation.differences import ReconciliationItem
from accounting.reconciliation.report import ReconciliationReport
from wisepay.money import Money

WIDTH, HEIGHT, GAP = 1000, 200, 3
SeriesKey = Callable[[ReconciliationItem], str]


@dataclass(frozen=True, slots=True)
class Bar:
    """One rectangle, in units of the drawing; `tone` is a CSS class."""

    x: int
    y: int
    width: int
    height: int
    tone: str
    title: str


@dataclass(frozen=True, slots=True)
class Series:
    """One colour of the chart, its name and its sum."""

    name: str
    tone: str
    total: Money


@dataclass(frozen=True, slots=True)
class Chart:
    """A stacked bar chart of one currency; `rows` is its table: a day, then one amount a series."""

    id: str
    title: str
    currency: str
    series: list[Series]
    bars: list[Bar]
    rows: list[tuple[date, list[Money]]]
    top: Money
    baseline: int
    first: date
    last: date


def build_charts(report: ReconciliationReport) -> list[Chart]:
    """Return the charts by method and by state, in the currency of most incoming money."""
    incoming: defaultdict[str, int] = defaultdict(int)
    for item in report.items:
        incoming[item.currency] += item.stripe if item.kind == "charge" else 0
    if not any(incoming.values()):
        return []
    currency = max(incoming, key=lambda code: incoming[code])
    return [
        build_chart(
            report, currency, "method", "Money in by method", {"card": "Card", "bank": "Bank debit"}, get_method_series
        ),
        build_chart(
            report,
            currency,
            "state",
            "Money in by what became of it",
            {"paid": "Paid out", "waiting": "At Stripe", "back": "Gone back"},
            get_state_series,
        ),
    ]


def get_method_series(item: ReconciliationItem) -> str:
    """Return how a payer paid; empty for what is no payment, which is not drawn."""
    if item.kind != "charge":
        return ""
    return "card" if item.method_kind in ("", "card") else "bank"


def get_state_series(item: ReconciliationItem) -> str:
    """Return what became of it: paid out, still at Stripe, or returned."""
    if not item.is_compared or not item.stripe:
        return ""
    if item.kind != "charge":
        return "back"
    return "paid" if item.payout else "waiting"


def build_chart(
    report: ReconciliationReport, currency: str, chart_id: str, title: str, names: dict[str, str], get_series: SeriesKey
) -> Chart:
    """Return one chart: sums by day and series, then rectangles above the baseline, or below it for returned money."""
    days, keys = report.period.days, list(names)
    sums: defaultdict[tuple[date, str], int] = defaultdict(int)
    for item in report.items:
        key = get_series(item)
        if key and item.currency == currency:
            sums[item.day, key] += item.stripe
    tallest = max((get_height_above(sums, day, keys) for day in days), default=0)
    deepest = max((get_depth_below(sums, day, keys) for day in days), default=0)
    whole = max(tallest + deepest, 1)
    baseline = HEIGHT * tallest // whole
    bars = [bar for n, day in enumerate(days) for bar in build_bars(day, n, len(days), sums, names, whole, baseline)]
    series = [
        Series(name, f"{chart_id}-{key}", Money(sum(sums[day, key] for day in days), currency))
        for key, name in names.items()
    ]
    rows = [(day, [Money(sums[day, key], currency) for key in keys]) for day in days if any(sums[day, k] for k in keys)]
    named = [Bar(b.x, b.y, b.width, b.height, f"{chart_id}-{b.tone}", b.title) for b in bars]
    return Chart(
        chart_id, title, currency, series, named, rows, Money(tallest, currency), baseline, report.period.first,
        report.period.last,
    )  # fmt: skip


def get_height_above(sums: dict[tuple[date, str], int], day: date, keys: list[str]) -> int:
    """Return the sum of a day's amounts above zero."""
    return sum(max(sums.get((day, key), 0), 0) for key in keys)


def get_depth_below(sums: dict[tuple[date, str], int], day: date, keys: list[str]) -> int:
    """Return the sum of a day's amounts below zero."""
    return sum(max(-sums.get((day, key), 0), 0) for key in keys)


def build_bars(
    day: date, place: int, count: int, sums: dict[tuple[date, str], int], names: dict[str, str], whole: int, zero: int
) -> list[Bar]:
    """Return the rectangles of one day, stacked in whole units so that they touch."""
    x, after = WIDTH * place // count, WIDTH * (place + 1) // count
    found, above, below = [], 0, 0
    for key, name in names.items():
        amount = sums.get((day, key), 0)
        if amount > 0:
            top, bottom = zero - HEIGHT * (above + amount) // whole, zero - HEIGHT * above // whole
            above += amount
        else:
            top, bottom = zero + HEIGHT * below // whole, zero + HEIGHT * (below - amount) // whole
            below -= amount
        title = f"{day:%d %b}: {name}"
        if amount:
            found.append(Bar(x, top, max(after - x - GAP, 1), max(bottom - top, 1), key, title))
    return found
