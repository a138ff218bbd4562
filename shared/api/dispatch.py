"""From a request to an answer: finds the operation, calls it, turns every error into problem+json."""

from __future__ import annotations

import logging

from shared import telemetry
from shared.api.message import ApiRequest, ApiResponse, problem
from shared.api.operations import OPERATIONS
from shared.bootstrap import ControlPlane
from shared.errors import Conflict, Retryable, SlipwayError, Unauthorized

log = logging.getLogger(__name__)


class _InternalError(SlipwayError):
    """Something nobody expected."""

    code = "InternalError"
    http_status = 500


async def answer(operation_id: str, request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """The operation's answer, or the problem that kept it from one. Never raises."""
    operation = OPERATIONS[operation_id]
    try:
        if request.easy_auth and not operation.anonymous and not request.principal:
            raise Unauthorized("nobody is signed in", remedy="send a token for this app, or a function key")
        with telemetry.span(operation_id, request.headers.get("traceparent", "")):
            return await operation.handler(request, plane)
    except Conflict as error:
        return problem(Retryable(error.message, remedy="try again"), request.request_id)
    except SlipwayError as error:
        if error.http_status >= 500:
            log.warning("%s %s: %s", request.request_id, operation_id, error)
        return problem(error, request.request_id)
    except Exception:  # the outermost edge: the log has the cause, the client gets its id
        log.exception("%s %s failed", request.request_id, operation_id)
        return problem(
            _InternalError("something went wrong", remedy="see the log for this request"), request.request_id
        )
