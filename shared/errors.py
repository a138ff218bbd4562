"""Every error Slipway raises. One root; each error says what was wrong, where, what is allowed and what to do."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with something a person declared or sent."""

    message: str  # what was wrong, in a sentence
    pointer: str = ""  # JSON pointer (RFC 6901) into the document; "" is the whole document
    file: str | None = None  # name of the file, as the user gave it
    line: int | None = None  # 1-based
    column: int | None = None  # 1-based
    allowed: str | None = None  # what would have been accepted

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        text = ": ".join(part for part in (place, self.pointer, self.message) if part)
        return f"{text} (allowed: {self.allowed})" if self.allowed else text

    def as_dict(self) -> dict[str, Any]:
        """The fault as JSON, without its empty fields."""
        return {name: value for name, value in asdict(self).items() if value not in (None, "")}


class SlipwayError(Exception):
    """The root. `code` is stable and machine-readable, `http_status` is what REST answers with."""

    code: ClassVar[str] = "SlipwayError"
    http_status: ClassVar[int] = 500

    def __init__(self, message: str, *, faults: tuple[Fault, ...] = (), remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.faults = faults
        self.remedy = remedy

    def __str__(self) -> str:
        lines = [self.message, *(f"  {fault}" for fault in self.faults)]
        if self.remedy:
            lines.append(f"To do: {self.remedy}")
        return "\n".join(lines)


class Retryable(SlipwayError):
    """The world was not ready (a timeout, throttling, a service that is down): the same step may succeed later."""

    code = "Unavailable"
    http_status = 503


class Permanent(SlipwayError):
    """Doing the same again can't succeed; it becomes a condition on the resource and an event."""

    code = "Failed"
    http_status = 422


class Invalid(Permanent):
    """What was sent or declared is wrong; `faults` holds every fault that was found, not just the first."""

    code = "Invalid"
    http_status = 422


class BadRequest(Invalid):
    """The request could not even be read (not JSON, a bad parameter)."""

    code = "BadRequest"
    http_status = 400


class Unauthorized(Permanent):
    """No key or token, or a wrong one."""

    code = "Unauthorized"
    http_status = 401


class NotFound(Permanent):
    """There is no such thing."""

    code = "NotFound"
    http_status = 404


class Conflict(SlipwayError):
    """Somebody else wrote first (an ETag or a must-not-exist condition failed). `shared.commit` retries it."""

    code = "Conflict"
    http_status = 409


class AlreadyExists(Permanent):
    """The name is taken by something else."""

    code = "AlreadyExists"
    http_status = 409


class DeletionRequired(Permanent):
    """It is in use: its users have to go first (Azure ML's code for it); `faults` lists them."""

    code = "DeletionRequired"
    http_status = 409


class PreconditionFailed(Permanent):
    """The caller's If-Match names a state that is no longer so (RFC 9110, section 13.1.1)."""

    code = "PreconditionFailed"
    http_status = 412


class PreconditionRequired(Permanent):
    """The request changes something and must say which state it saw (RFC 6585, section 3)."""

    code = "PreconditionRequired"
    http_status = 428


class TooLarge(Permanent):
    """More bytes than this place accepts."""

    code = "TooLarge"
    http_status = 413


class UnsupportedMediaType(Permanent):
    """The Content-Type is not one this place reads."""

    code = "UnsupportedMediaType"
    http_status = 415


class NotSupported(Permanent):
    """Known, but this installation cannot do it; the remedy says what to do instead."""

    code = "NotSupported"
    http_status = 501


class ArtifactCorrupted(Permanent):
    """Stored bytes no longer have the SHA-256 they were stored under."""

    code = "ArtifactCorrupted"
    http_status = 500
