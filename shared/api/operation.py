"""What is said of one REST operation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from shared.api.message import ApiRequest, ApiResponse
from shared.bootstrap import ControlPlane
from shared.resources.base import Document

Handler = Callable[[ApiRequest, ControlPlane], Awaitable[ApiResponse]]
PAGING = ("limit", "continuation")
BODY_ERRORS = (400, 413, 415, 422)  # what a body may be refused with


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the API."""

    id: str  # the function's name
    method: str
    path: str  # below /api/
    handler: Handler
    answers: dict[int, type[Document] | None]  # what success looks like
    errors: tuple[int, ...] = ()  # besides 401 and 503
    body: type[Document] | None = None
    body_types: tuple[str, ...] = ("application/json",)
    query: tuple[str, ...] = ()
    if_match: bool = False
    anonymous: bool = False
