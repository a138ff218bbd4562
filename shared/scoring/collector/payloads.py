"""Collects the bodies of requests and answers as they are, in Azure ML's collections `request` and `response`."""

from __future__ import annotations

from typing import Any

from shared.scoring.collector.collector import DataCollector
from shared.scoring.collector.plan import REQUEST, RESPONSE
from shared.scoring.http.messages import Headers, Request, Response

_REFUSED = frozenset({401, 404, 405, 429, 503})  # before anything looked at the body


class Payloads:
    """Offers both bodies of every request that was let in to score."""

    def __init__(self, collector: DataCollector) -> None:
        self._collector = collector
        self._kept = tuple(name.encode("latin-1", "replace") for name in collector.plan.headers)
        self._collections = collector.plan.collections

    def offer(self, request: Request, response: Response) -> None:
        """Keep what is collected of it, or count it as dropped; it never waits."""
        if response.status in _REFUSED:
            return
        about = {"path": request.path.decode("latin-1"), "method": request.method.decode("latin-1")}
        if REQUEST in self._collections:
            content = request.body or request.query
            self._keep(REQUEST, content, request, tuple(request.headers.items()), about)
        if RESPONSE in self._collections:
            headers = (*response.headers, (b"content-type", response.content_type))
            self._keep(RESPONSE, response.body, request, headers, about | {"statuscode": response.status})

    def _keep(self, collection: str, content: bytes, request: Request, headers: Headers, about: dict[str, Any]) -> None:
        named = {name.lower(): value for name, value in headers}
        kept = {name.decode("latin-1"): named[name].decode("latin-1") for name in self._kept if name in named}
        self._collector.offer_document(
            collection,
            content,
            request.id,
            request.id,
            content_encoding=named.get(b"content-encoding", b"").strip().lower().decode("latin-1").removeprefix("x-"),
            datacontenttype=named.get(b"content-type", b"").decode("latin-1") or "application/json",
            collectdatatype=None,
            **about,
            **({"headers": kept} if self._kept else {}),
        )


def payloads_of(collector: DataCollector) -> Payloads | None:
    """None when neither bodies of requests nor of answers are collected."""
    return Payloads(collector) if {REQUEST, RESPONSE} & collector.plan.collections else None
