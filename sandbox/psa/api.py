"""The entry to the REST API: the codebase, keys, clientId and rights, before any record is touched."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.core.faults import drop_connection
from sandbox.core.service import RefusedError
from sandbox.core.world import World
from sandbox.psa import resources
from sandbox.psa.errors import build_not_found, build_refusal
from sandbox.psa.tenant import ALIAS, CLIENT_ID, Record, Tenant, find_tenant

VERBS = {"GET": "inquire", "POST": "add", "PATCH": "edit", "DELETE": "delete"}


@dataclass(frozen=True, slots=True)
class Call:
    """One authorized call."""

    tenant: Tenant
    member: Record
    request: Request
    path: dict[str, str]
    body: Any = None

    @property
    def by(self) -> str:
        """Who calls."""
        return str(self.member["identifier"])


class PsaApi:
    """The API, bound to one world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def routes(self) -> list[BaseRoute]:
        """Discovery, and every path below a codebase."""
        methods = ["GET", "POST", "PATCH", "DELETE", "PUT"]
        return [
            Route("/login/companyinfo/{company}", self.discover),
            Route("/callback-keys/{company}", self.show_signing_key),
            Route("/{codebase}/apis/3.0/{rest:path}", self.serve, methods=methods),
        ]

    async def discover(self, request: Request) -> Response:
        """The codebase of a login company, or null."""
        tenant = find_tenant(self.world, request.path_params["company"])
        if tenant is None:
            return JSONResponse(None)
        return JSONResponse(
            {
                "CompanyName": tenant.data["name"],
                "Codebase": tenant.data["codebase"],
                "VersionCode": tenant.data["codebase"].rstrip("/"),
                "VersionNumber": "v2025.8.101",
                "CompanyID": tenant.data["login"],
                "IsCloud": "True",
            }
        )

    async def show_signing_key(self, request: Request) -> Response:
        """The key that callbacks are signed with."""
        tenant = find_tenant(self.world, request.path_params["company"])
        return JSONResponse({"signing_key": tenant.data["key"]} if tenant else {}, 200 if tenant else 404)

    async def serve(self, request: Request) -> Response:
        """One call."""
        try:
            tenant, member = self.authorize(request)
            entry, path = resources.find_operation(request.method, f"/{request.path_params['rest']}")
            if entry.right and f"{entry.right}:{VERBS[request.method]}" in member["withdrawn"]:
                raise build_refusal(403, "SecurityDenied", f"You do not have permission to {entry.right}.")
            body = json.loads(await request.body()) if request.method in ("POST", "PATCH") else None
            return entry.work(Call(tenant, member, request, path, body))
        except RefusedError as refusal:
            return JSONResponse(refusal.body, refusal.status, refusal.headers)
        except ValueError:
            return JSONResponse({"code": "InvalidObject", "message": "The body is not JSON", "errors": []}, 400)
        except resources.LatePayment:
            request.scope.get("journal", {})["fault"] = True
            await drop_connection(request.scope)
            return Response()

    def list_ended_models(self) -> list[str]:
        """The models that `psa_ended_models` has PSA refuse, as it does twelve months after they came out."""
        return list(self.world.config.get("psa_ended_models") or [])

    def authorize(self, request: Request) -> tuple[Tenant, Record]:
        """Whose PSA, and which member calls; raises RefusedError. Wrong keys are answered 404, as the cloud does."""
        scheme, _, coded = request.headers.get("authorization", "").partition(" ")
        try:
            user, _, private = base64.b64decode(coded).decode().partition(":")
        except ValueError:
            user, private = "", ""
        request.scope.get("journal", {})["basic_user"] = user
        login, _, public = user.partition("+")
        tenant = find_tenant(self.world, login) if scheme.lower() == "basic" else None
        member = tenant.data["members"].get(public) if tenant else None
        if tenant is None or member is None or member["private"] != private:
            raise build_not_found("The resource was")
        known = self.world.config.get("psa_client_id") or CLIENT_ID
        if request.headers.get("clientid") != known:
            raise build_refusal(401, "Unauthorized", "The clientId header is missing or unknown.")
        if any(f"version={model}" in request.headers.get("accept", "") for model in self.list_ended_models()):
            words = f"The HTTP resource that matches the request URI '{request.url}' does not support the API version."
            raise build_refusal(400, "ConnectWiseApi", words)
        codebase = f"{request.path_params['codebase']}/"
        if codebase != tenant.data["codebase"] and not (codebase == ALIAS and tenant.data["takes_alias"]):
            raise build_not_found("The codebase was")
        return tenant, member
