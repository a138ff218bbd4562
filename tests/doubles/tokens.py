"""The endpoint that gives a function app's identity its tokens, as App Service has it, and the one of Microsoft Entra
ID that gives pods theirs for the token of their service account.

Sources: "How to use managed identities for App Service and Azure Functions", REST endpoint reference (2019-08-01):
IDENTITY_ENDPOINT, IDENTITY_HEADER; the answer's access_token, expires_on, resource, token_type. "OAuth 2.0 client
credentials flow", third case: access token request with a federated credential.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import jwt
from aiohttp import web

from tests.doubles.webhook_receiver import serving

API_VERSION = "2019-08-01"
TENANT = "7c1f2f0e-6b1b-4e0e-9d6f-0a1b2c3d4e5f"
PRINCIPAL = "5b0e3f6c-2a55-4c0f-8f51-3d0f8f1c9a77"
LIFE_S = 3600
AKS = "6dae42f8-4368-4678-94ff-e28960e3630b"  # the application of every AKS cluster's API server
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"  # RFC 7523, section 2.2


class TokenDouble:
    """`asked` counts what tokens were asked for, by resource; `asked_by_pods` those of pods. `environ` is what a
    function app is told. A pod that acts as `pods_client_id` has `pods_token` of the cluster."""

    def __init__(self, client_id: str = "") -> None:
        self.asked: Counter[str] = Counter()
        self.asked_by_pods: Counter[str] = Counter()
        self.refused: list[str] = []
        self.issued: list[str] = []  # the tokens themselves
        self.url = ""
        self.header = secrets.token_urlsafe(24)
        self.signing_key = secrets.token_urlsafe(32)
        self.pods_client_id = "9a7c1e55-0000-4000-8000-6b7d8e9f0a1b"
        self.pods_token = secrets.token_urlsafe(48)
        self._client_id = client_id

    @property
    def environ(self) -> dict[str, str]:
        """The platform's variables."""
        return {"IDENTITY_ENDPOINT": f"{self.url}/msi/token", "IDENTITY_HEADER": self.header}

    def token(self, resource: str) -> str:
        """A token for a resource, as Entra ID makes it but for the signature."""
        now = int(time.time())
        claims = {
            "aud": resource,
            "iss": f"https://sts.windows.net/{TENANT}/",
            **{"tid": TENANT, "oid": PRINCIPAL, "sub": PRINCIPAL},
            **{"iat": now - 60, "nbf": now - 60, "exp": now + LIFE_S},
        }
        return jwt.encode(claims, self.signing_key, algorithm="HS256")

    def is_for(self, token: str, resource: str) -> bool:
        """Whether the token was made here, for that resource, and is still valid."""
        try:
            jwt.decode(token, self.signing_key, algorithms=["HS256"], audience=resource)
        except jwt.InvalidTokenError:
            return False
        return True

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Serve it on loopback, over http as the platform does."""
        app = web.Application()
        app.router.add_get("/msi/token", self._give)
        app.router.add_post(f"/{TENANT}/oauth2/v2.0/token", self._exchange)
        async with serving(app) as self.url:
            yield

    async def _give(self, request: web.Request) -> web.Response:
        resource = request.query.get("resource", "")
        wrong = [
            request.query.get("api-version") != API_VERSION,
            not hmac.compare_digest(request.headers.get("X-IDENTITY-HEADER", ""), self.header),
            request.query.get("client_id", "") != self._client_id,
            not resource.startswith("https://") and resource != AKS,
        ]
        if any(wrong):
            self.refused.append(f"{resource}: {wrong}")
            return web.json_response({"statusCode": 400, "message": "no identity for this"}, status=400)
        self.asked[resource] += 1
        expires_on = str(int(time.time()) + LIFE_S)
        self.issued.append(self.token(resource))
        answer = {"access_token": self.issued[-1], "expires_on": expires_on, "resource": resource}
        return web.json_response({**answer, "token_type": "Bearer", "client_id": self._client_id})

    async def _exchange(self, request: web.Request) -> web.Response:
        form = await request.post()
        resource = str(form.get("scope", "")).split(" ")[0].removesuffix("/.default")
        wrong = [
            form.get("grant_type") != "client_credentials",
            form.get("client_assertion_type") != ASSERTION,
            not hmac.compare_digest(str(form.get("client_assertion", "")), self.pods_token),
            form.get("client_id") != self.pods_client_id,
            not resource.startswith("https://"),
        ]
        if any(wrong):
            self.refused.append(f"pod, {resource}: {wrong}")
            return web.json_response({"error": "invalid_client", "error_description": "no such"}, status=401)
        self.asked_by_pods[resource] += 1
        self.issued.append(self.token(resource))
        return web.json_response({"token_type": "Bearer", "expires_in": LIFE_S, "access_token": self.issued[-1]})
