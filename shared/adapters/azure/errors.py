"""The one table from the SDKs' errors to Slipway's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from shared import errors

_BY_STATUS: dict[int, type[errors.SlipwayError]] = {
    400: errors.BadRequest,
    401: errors.Unauthorized,
    403: errors.Unauthorized,
    404: errors.NotFound,
    408: errors.Retryable,
    409: errors.Conflict,
    412: errors.Conflict,
    413: errors.TooLarge,
    429: errors.Retryable,
    449: errors.Retryable,  # Cosmos DB: retry with
}
# A container that is missing is no empty one: nothing may be concluded from it (no policy, no file, no artifact).
_NOT_PROVISIONED = ("ContainerNotFound", "StorageErrorCode.CONTAINER_NOT_FOUND")


def from_status(status: int | None, what: str) -> errors.SlipwayError:
    """The error for an HTTP status: 5xx and no answer at all are Retryable, an unlisted 4xx is Permanent."""
    if status is None or status >= 500:
        return errors.Retryable(f"{what}: the service did not answer properly (status {status})")
    kind = _BY_STATUS.get(status, errors.Permanent)
    return kind(f"{what}: the service answered {status}")


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Within it, no azure.core exception gets out: `what` says in a few words what was tried, with no secret in it."""
    from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

    try:
        yield
    except ClientAuthenticationError as error:
        raise errors.Unauthorized(f"{what}: not allowed", remedy="check the identity's role assignments") from error
    except HttpResponseError as error:
        if str(getattr(error, "error_code", "")) in _NOT_PROVISIONED:
            raise errors.Retryable(
                f"{what}: the container is missing", remedy="create it (infra/bicep does)"
            ) from error
        raise from_status(error.status_code, what) from error
    except AzureError as error:
        raise errors.Retryable(f"{what}: {type(error).__name__}") from error
