"""The pages of the practice Order Porter: the list, the quote to sign, settings, the callback."""

from collections.abc import Sequence
from typing import Any

import anyio.to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.core.pages import render_page
from sandbox.core.pdf import build_pdf_file
from sandbox.core.service import Link
from sandbox.core.world import World
from sandbox.orderporter.catalogue import QUOTE_TEMPLATES
from sandbox.orderporter.client import CheckoutRefused, open_checkout, read_checkout
from sandbox.orderporter.money import format_amount
from sandbox.orderporter.quotes import (
    Quote,
    build_checkout_request,
    build_signature,
    calculate_totals,
    create_quote,
    find_quote,
    find_quote_by_passcode,
    list_quotes,
    mark_modified,
    publish_next_version,
    record_event,
    sign_quote,
)
from sandbox.orderporter.reports import (
    InvalidReport,
    InvalidSignature,
    UnknownCheckout,
    apply_callback,
    apply_confirmed_report,
    apply_return,
    get_api_key,
    parse_report,
)
from sandbox.orderporter.template_macros import render_template

INVALID_SIGNATURE_NOTE = "This page was opened with a payment result whose signature is not right. It was ignored."


def links(world: World) -> Sequence[Link]:
    """Order Porter's lines of the home page."""
    return [Link("Quotes", "/orderporter/", "accept a quote and pay it through Wise-Pay")]


def routes(world: World) -> Sequence[BaseRoute]:
    """Order Porter below /orderporter."""
    pages = OrderPorterPages(world)
    return [
        Route("/", pages.index),
        Route("/", pages.create, methods=["POST"]),
        Route("/quotes.json", pages.list_json),
        Route("/quotes.json", pages.create_by_json, methods=["POST"]),
        Route("/quote", pages.show),
        Route("/quote", pages.accept, methods=["POST"]),
        Route("/quote/versions", pages.publish, methods=["POST"]),
        Route("/settings", pages.configure, methods=["POST"]),
        Route("/callback", pages.callback, methods=["POST"]),
        Route("/online.order", pages.show_public),
        Route("/online.order", pages.accept, methods=["POST"]),
        Route("/orderporterpdf/{passcode}.pdf", pages.show_pdf),
    ]


class OrderPorterPages:
    """The views over one world."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def index(self, request: Request) -> Response:
        """Every quote, and the settings."""
        return render_page(
            "orderporter_list.html",
            quotes=list_quotes(self.world),
            models=QUOTE_TEMPLATES,
            totals=calculate_totals,
            money=format_amount,
            key_is_set=bool(get_api_key(self.world)),
            wisepay_url=self.wisepay_url,
            snippet=str(self.world.config.get("cpq_template") or ""),
        )

    async def create(self, request: Request) -> Response:
        """A fresh quote after a model, then its page."""
        like = str((await request.form()).get("like", ""))
        if like not in QUOTE_TEMPLATES:
            raise HTTPException(400, "No such kind of quote.")
        return RedirectResponse(self.get_path(create_quote(self.world, like=like)), 303)

    async def list_json(self, request: Request) -> Response:
        """Every quote as JSON, with the address of its page."""
        return JSONResponse({"quotes": [self.render_json(quote) for quote in list_quotes(self.world)]})

    async def create_by_json(self, request: Request) -> Response:
        """For tests: `{"like": model, …fields that replace the model's}`; the answer is the quote."""
        order = await request.json()
        like = order.pop("like", "one-time")
        if like not in QUOTE_TEMPLATES:
            raise HTTPException(400, "No such kind of quote.")
        quote = create_quote(self.world, like=like, overrides=order)
        return JSONResponse(self.render_json(quote), status_code=201)

    async def show(self, request: Request) -> Response:
        """The quote; with Wise-Pay's parameters in the address, first apply them."""
        quote = self.get_quote(request)
        refusal, status = None, 200
        if "wisepay_signature" in request.query_params or "wisepay_status" in request.query_params:
            try:
                apply_return(self.world, quote, request.query_params)
            except (InvalidSignature, InvalidReport):
                refusal, status = (
                    CheckoutRefused("The payment result could not be trusted", INVALID_SIGNATURE_NOTE),
                    400,
                )
        return self.render_quote(quote, refusal=refusal, status=status)

    async def show_public(self, request: Request) -> Response:
        """The quote's public page, which everybody sees who has its passcode."""
        return self.render_quote(self.get_quote(request))

    async def show_pdf(self, request: Request) -> Response:
        """The quote as a file, under the same passcode."""
        quote = find_quote_by_passcode(self.world, request.path_params["passcode"])
        if quote is None:
            raise HTTPException(404, "No such quote.")
        due = format_amount(calculate_totals(quote)["due_now"], quote["currency"])
        lines = [(18, f"Quote {quote['number']}"), (12, quote["name"]), (12, f"Due on acceptance: {due}")]
        return Response(build_pdf_file(lines), media_type="application/pdf")

    async def accept(self, request: Request) -> Response:
        """Sign the quote; unless it is only accepted, open its checkout at Wise-Pay and send the customer there."""
        quote, form = self.get_quote(request), await request.form()
        signer = str(form.get("signature", "")).strip()
        if not form.get("terms") or not signer:
            missing = "Tick the terms and type your name to sign." if not signer else "Tick the terms."
            return self.render_quote(
                quote, refusal=CheckoutRefused("Not accepted yet", missing), signer=signer, status=422
            )
        if form.get("act") == "accept":
            sign_quote(self.world, quote, signer)
            return RedirectResponse(self.get_public_path(quote), 303)
        try:
            address = await self.open_checkout(quote, signer)
        except CheckoutRefused as refusal:
            record_event(quote, f"Wise-Pay refused: {refusal.title}.")
            return self.render_quote(quote, refusal=refusal, signer=signer, status=422)
        return RedirectResponse(address, 303)

    async def open_checkout(self, quote: Quote, signer: str) -> str:
        """Where the customer pays; raises `Refused`."""
        key = get_api_key(self.world)
        if not key:
            raise CheckoutRefused(
                "No API key is set", "Put Wise-Pay's key for ConnectWise Sell into the settings first."
            )
        version = quote["version"]
        signed = build_signature(self.world, signer)
        body = build_checkout_request(
            {**quote, "signed": signed},
            return_url=self.world.url + self.get_path(quote),
            callback_url=f"{self.world.url}/orderporter/callback",
        )
        opened = await anyio.to_thread.run_sync(open_checkout, self.wisepay_url, key, body)
        if quote["version"] == version:
            quote["checkout"] = {"id": opened.id, "url": opened.url}
            quote["signed"] = signed
            record_event(quote, f"Accepted; checkout {opened.id} is {opened.status}.")
            mark_modified(self.world, quote)
        return opened.url

    async def publish(self, request: Request) -> Response:
        """The next version of the quote."""
        quote = self.get_quote(request)
        publish_next_version(self.world, quote)
        return RedirectResponse(self.get_path(quote), 303)

    async def configure(self, request: Request) -> Response:
        """Take over the API key and, if given, where Wise-Pay is."""
        form = await request.form()
        for field, setting in (
            ("api_key", "cpq_api_key"),
            ("wisepay_url", "wisepay_url"),
            ("template", "cpq_template"),
        ):
            value = str(form.get(field, "")).strip()
            if value:
                self.world.config[setting] = value
        self.world.mark_changed()
        return RedirectResponse("/orderporter/", 303)

    async def callback(self, request: Request) -> Response:
        """Wise-Pay's signed report: 200 when taken (or known already), 401, 404 or 400 otherwise."""
        body = await request.body()
        try:
            outcome = apply_callback(self.world, request.headers, body)
            if outcome == "doubtful":
                outcome = await self.confirm_with_wisepay(parse_report(body))
        except InvalidSignature:
            return JSONResponse({"error": "bad signature"}, status_code=401)
        except UnknownCheckout:
            return JSONResponse({"error": "unknown quote"}, status_code=404)
        except InvalidReport:
            return JSONResponse({"error": "unreadable"}, status_code=400)
        return JSONResponse({"result": outcome}, status_code=503 if outcome == "unconfirmed" else 200)

    async def confirm_with_wisepay(self, report: dict[str, Any]) -> str:
        """Read a checkout anew and take that over; unconfirmed: Wise-Pay should call again later."""
        known = await anyio.to_thread.run_sync(
            read_checkout, self.wisepay_url, get_api_key(self.world), str(report.get("id"))
        )
        return "unconfirmed" if known is None else apply_confirmed_report(self.world, known)

    @property
    def wisepay_url(self) -> str:
        """The root of Wise-Pay."""
        return str(self.world.config.get("wisepay_url") or "http://127.0.0.1:8000")

    def get_quote(self, request: Request) -> Quote:
        """The quote that the address names; anything else is 404."""
        asked = request.query_params
        quote = find_quote_by_passcode(self.world, asked.get("passcode", "")) or find_quote(
            self.world, asked.get("key", "")
        )
        if quote is None:
            raise HTTPException(404, "No such quote.")
        return quote

    def get_path(self, quote: Quote) -> str:
        """Where the quote's page is below the sandbox's root."""
        return f"/orderporter/quote?key={quote['key']}"

    def get_public_path(self, quote: Quote) -> str:
        """Where the quote's public page is, as CPQ mails it to customers."""
        return f"/orderporter/online.order?passcode={quote['passcode']}&entrykey=practice"

    def render_json(self, quote: Quote) -> dict[str, Any]:
        """The quote with its sums and its address, for tests."""
        return {**quote, "totals": calculate_totals(quote), "url": self.world.url + self.get_path(quote)}

    def render_quote(
        self, quote: Quote, *, refusal: CheckoutRefused | None = None, signer: str = "", status: int = 200
    ) -> Response:
        """The quote as a page, with what went wrong at its top."""
        return render_page(
            "orderporter_quote.html",
            status=status,
            quote=quote,
            totals=calculate_totals(quote),
            money=format_amount,
            refusal=refusal,
            signer=signer or (quote["signed"] or {}).get("name", ""),
            path=self.get_path(quote),
            public_path=self.get_public_path(quote),
            snippet=render_template(str(self.world.config.get("cpq_template") or ""), quote),
        )
