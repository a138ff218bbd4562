"""What the double answers when it refuses."""

from __future__ import annotations

from typing import Any


class CosmosError(Exception):
    """An answer with an error status; `substatus` becomes the header x-ms-substatus."""

    def __init__(
        self, status: int, message: str, *, substatus: int | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})
        if substatus is not None:
            self.headers["x-ms-substatus"] = str(substatus)

    @property
    def body(self) -> dict[str, Any]:
        """The error document."""
        names = {400: "BadRequest", 401: "Unauthorized", 404: "NotFound", 409: "Conflict", 412: "PreconditionFailed"}
        return {"code": names.get(self.status, f"Status{self.status}"), "message": self.message}


def bad_request(message: str, substatus: int | None = None) -> CosmosError:
    """400: the request is not one the service (or this double) takes."""
    return CosmosError(400, message, substatus=substatus)
