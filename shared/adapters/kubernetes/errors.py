"""The one table from the client's errors to Slipway's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from shared import errors

# Kubernetes API conventions, "HTTP status codes".
_BY_STATUS: dict[int, type[errors.SlipwayError]] = {
    400: errors.Invalid,
    401: errors.Unauthorized,
    403: errors.Unauthorized,
    404: errors.NotFound,
    408: errors.Retryable,
    409: errors.Retryable,  # it was changed meanwhile; but see _FIELD_CONFLICT
    410: errors.Retryable,  # a list's next page that came too late
    422: errors.Invalid,
    429: errors.Retryable,
}
# Of a Status' causes (Kubernetes, server-side apply, "Conflicts"): fields that somebody else owns.
_FIELD_CONFLICT = "FieldManagerConflict"


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Within it, no exception of the client gets out: `what` says in a few words what was tried. What an API server
    says of a fault is passed on: it names fields and rules. Conflict is for fields that somebody else owns alone."""
    import httpx2
    from lightkube import ApiError
    from lightkube.core.exceptions import ConfigError
    from msgspec import MsgspecError

    try:
        yield
    except ApiError as error:
        code = error.status.code or error.response.status_code
        message = f"{what}: {(error.status.message or 'no reason given')[:1000]}"
        causes = (error.status.details.causes if error.status.details else None) or ()
        if code == 409 and any(one.reason == _FIELD_CONFLICT for one in causes):
            raise errors.Conflict(message) from error
        raise _of(code, message) from error
    except httpx2.HTTPStatusError as error:
        raise _of(error.response.status_code, f"{what}: the cluster answered {error.response.status_code}") from error
    except httpx2.HTTPError as error:
        raise errors.Retryable(f"{what}: the cluster cannot be reached ({type(error).__name__})") from error
    except ConfigError as error:  # an exec credential that failed
        raise errors.Unauthorized(f"{what}: no credential for the cluster", remedy="see its kubeconfig") from error
    except (MsgspecError, KeyError) as error:  # a proxy's page instead of the API server's answer
        raise errors.Retryable(f"{what}: the answer is not Kubernetes' ({type(error).__name__})") from error


def _of(status: int, message: str) -> errors.SlipwayError:
    if status >= 500:
        return errors.Retryable(message)
    return _BY_STATUS.get(status, errors.Permanent)(message)
