"""Every error of the scoring server. One root; those that answer a request know their HTTP status."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class InputFault:
    """One thing that is wrong with a request's data."""

    message: str  # what was wrong, in a sentence
    column: str | None = None  # name of the column or of the model's input
    row: int | None = None  # 0-based, in the request
    expected: str | None = None  # type or shape that would have been accepted

    def as_dict(self) -> dict[str, Any]:
        """The fault as JSON, without its empty fields."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class ScoringError(Exception):
    """The root of all errors of the scoring server."""


class StartError(ScoringError):
    """The settings, the model or the script can't be served: the process ends with exit code 3."""


class RequestError(ScoringError):
    """Answered to the client: `status` is the HTTP status, `title` names the kind, the text says what was wrong."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"

    def __init__(
        self, message: str, *, faults: tuple[InputFault, ...] = (), headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        super().__init__(message)
        self.message = message
        self.faults = faults
        self.headers = headers


class InternalError(RequestError):
    """The server or the model failed; the log says how."""


class BadRequest(RequestError):
    """Not what the protocol or the format asks for."""

    status = 400
    title = "Bad request"


class Unauthorized(RequestError):
    """No key or token, or one that is not valid."""

    status = 401
    title = "Unauthorized"


class NotFound(RequestError):
    """No such route, model or version."""

    status = 404
    title = "Not found"


class MethodNotAllowed(RequestError):
    """The route has no such method."""

    status = 405
    title = "Method not allowed"


class RequestTimeout(RequestError):
    """The request did not arrive in time."""

    status = 408
    title = "Request timeout"


class BodyTooLarge(RequestError):
    """The body is larger than the limit."""

    status = 413
    title = "Content too large"


class UnsupportedMediaType(RequestError):
    """A content type or encoding that is not read here."""

    status = 415
    title = "Unsupported media type"


class ExpectationFailed(RequestError):
    """An Expect header other than 100-continue."""

    status = 417
    title = "Expectation failed"


class InvalidInput(RequestError):
    """Well-formed, but not what the model takes; `faults` name columns and expected types."""

    status = 422
    title = "Invalid input"


class TooManyRequests(RequestError):
    """More requests wait than the limit allows."""

    status = 429
    title = "Too many requests"


class HeadersTooLarge(RequestError):
    """A header, or all of them, are longer than the limit."""

    status = 431
    title = "Request header fields too large"


class NotReady(RequestError):
    """The model is not loaded yet, or the server is about to stop."""

    status = 503
    title = "Service unavailable"


class ScoringTimeout(RequestError):
    """The model or the script did not answer in time (500, as azureml-inference-server-http answers)."""


class ScriptFailed(RequestError):
    """`run()` raised; the log has the traceback."""
