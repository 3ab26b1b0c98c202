"""The pages of the practice Stripe: stripe.js and its frames, the bank's challenge, the dashboard."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.core.pages import render_page
from sandbox.core.world import World
from sandbox.stripe import actor
from sandbox.stripe.accounts import StripeAccount, check_client_secret, find_intent_by_client_secret, list_accounts
from sandbox.stripe.currencies import format_amount
from sandbox.stripe.dashboard import render_dashboard, resend_event
from sandbox.stripe.errors import StripeApiError
from sandbox.stripe.payments import charging, setup_intents
from sandbox.stripe.payments.three_d_secure import get_return_url
from sandbox.stripe.webhooks import delivery

Obj = dict[str, Any]
JS = Path(__file__).parent / "js"
JS_FILES = {"stripe.js": "text/javascript", "element.js": "text/javascript", "challenge.js": "text/javascript"}
JS_FILES |= {"element.css": "text/css"}
FRAME_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; frame-ancestors *"
)
CHALLENGE_POLICY = FRAME_POLICY + "; form-action *"


class StripePages:
    """The handlers, bound to one world."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def file(self, request: Request) -> Response:
        """GET /stripe/js/{name}."""
        name = request.path_params["name"]
        if name not in JS_FILES:
            return Response("No such file", 404)
        headers = {"Cache-Control": "no-cache", "Access-Control-Allow-Origin": "*"}
        return FileResponse(JS / name, media_type=JS_FILES[name], headers=headers)

    async def element(self, request: Request) -> Response:
        """GET /stripe/js/element: the frame that holds the card's fields."""
        return render_page("stripe/element.html", policy=FRAME_POLICY)

    def find_challenged_intent(self, request: Request) -> tuple[StripeAccount, Obj]:
        """The intent that a challenge is about; raises a 404."""
        secret = request.query_params.get("client_secret", "")
        account, intent = find_intent_by_client_secret(self.world, secret)
        check_client_secret(intent, secret)
        if intent["id"] != request.path_params["id"]:
            raise StripeApiError("This challenge belongs to another payment.", status=404)
        return account, intent

    async def challenge(self, request: Request) -> Response:
        """GET /stripe/3ds/{id}: the bank's question."""
        try:
            _, intent = self.find_challenged_intent(request)
        except StripeApiError as error:
            return render_page(
                "stripe/challenge.html", status=error.status, policy=CHALLENGE_POLICY, intent=None, amount=""
            )
        amount = format_amount(intent["amount"], intent["currency"]) if "amount" in intent else ""
        return render_page("stripe/challenge.html", policy=CHALLENGE_POLICY, intent=intent, amount=amount)

    async def answered(self, request: Request) -> Response:
        """POST /stripe/3ds/{id}: what the payer pressed."""
        try:
            account, intent = self.find_challenged_intent(request)
        except StripeApiError as error:
            return render_page(
                "stripe/challenge.html", status=error.status, policy=CHALLENGE_POLICY, intent=None, amount=""
            )
        form = await request.form()
        if intent["status"] == "requires_action":
            flow = charging if intent["object"] == "payment_intent" else setup_intents
            flow.complete_challenge(account, intent, passed=form.get("outcome") == "complete")
        back = get_return_url(account, intent) if "redirect" in request.query_params else None
        if back:
            return RedirectResponse(back, 303)
        return render_page("stripe/challenge_done.html", policy=CHALLENGE_POLICY, status_of=intent["status"])

    async def dashboard(self, request: Request) -> Response:
        """GET /stripe/dashboard."""
        problem = request.query_params.get("problem", "")
        return render_dashboard(self.world, request.query_params.get("account"), problem=problem)

    async def run_action(self, request: Request) -> Response:
        """POST /stripe/dashboard/acts/{act}: one of the buttons, then the dashboard again."""
        params = {name: str(value) for name, value in (await request.form()).items()}
        query = {"account": params.get("account", "")}
        try:
            actor.run_action(self.world, request.path_params["act"], params)
        except StripeApiError as error:
            query["problem"] = str(error)
        except KeyError:
            return Response("No such act", 404)
        self.deliver()
        return RedirectResponse(f"/stripe/dashboard?{urlencode(query)}", 303)

    async def control(self, request: Request) -> Response:
        """POST /stripe/_control: a JSON object of acts by name; the answer holds what each was done to."""
        try:
            orders = json.loads(await request.body() or b"{}")
            done = actor.run_actions(self.world, orders)
        except StripeApiError as error:
            return JSONResponse(error.body(), 400)
        except (ValueError, AttributeError) as error:
            return JSONResponse({"error": {"type": "invalid_request_error", "message": str(error)}}, 400)
        self.deliver()
        return JSONResponse(done)

    def deliver(self) -> None:
        """Send the webhooks of what a person just did."""
        asyncio.get_running_loop().call_soon(delivery.send_due, self.world)

    async def resend(self, request: Request) -> Response:
        """POST /stripe/dashboard/resend/{id}: send an event again."""
        account = resend_event(self.world, request.path_params["id"])
        return RedirectResponse(f"/stripe/dashboard?account={account}", 303)

    async def receipt(self, request: Request) -> Response:
        """GET /stripe/receipts/{id}."""
        for account in list_accounts(self.world):
            charge = account.table("charge").get(request.path_params["id"])
            if charge:
                amount = format_amount(charge["amount"], charge["currency"])
                return render_page("stripe/receipt.html", charge=charge, amount=amount)
        return Response("No such receipt", 404)


def build_page_routes(world: World) -> Sequence[BaseRoute]:
    """The routes below `/stripe` that are no API."""
    pages = StripePages(world)
    return [
        Route("/js/element", pages.element),
        Route("/js/{name}", pages.file),
        Route("/3ds/{id}", pages.challenge, methods=["GET"]),
        Route("/3ds/{id}", pages.answered, methods=["POST"]),
        Route("/dashboard", pages.dashboard),
        Route("/dashboard/resend/{id}", pages.resend, methods=["POST"]),
        Route("/dashboard/acts/{act}", pages.run_action, methods=["POST"]),
        Route("/_control", pages.control, methods=["POST"]),
        Route("/receipts/{id}", pages.receipt),
    ]
