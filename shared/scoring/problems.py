"""What clients are told of errors, in the form that the clients of each interface know."""

from __future__ import annotations

import orjson

from shared.scoring.errors import RequestError
from shared.scoring.http.messages import JSON, PROBLEM, Response

FAILED = (b"x-ms-run-function-failed", b"True")
NOT_FAILED = (b"x-ms-run-function-failed", b"False")


def problem(error: RequestError) -> Response:
    """RFC 9457, with `message` for clients of Azure ML, and one entry of `errors` for each fault."""
    document = {
        "type": "about:blank",
        "title": error.title,
        "status": error.status,
        "detail": error.message,
        "message": error.message,
    }
    if error.faults:
        document["errors"] = [fault.as_dict() for fault in error.faults]
    return Response(error.status, orjson.dumps(document), PROBLEM, error.headers)


def azure(error: RequestError, *, failed: bool = False) -> Response:
    """`{"message": ...}`, as azureml-inference-server-http answers; whether it was run() that failed is in a header."""
    headers = (*error.headers, FAILED if failed else NOT_FAILED)
    return Response(error.status, orjson.dumps({"message": error.message}), JSON, headers)


def oip(error: RequestError) -> Response:
    """`{"error": ...}` of the Open Inference Protocol v2; the faults are in the text."""
    return Response(error.status, orjson.dumps({"error": with_faults(error)}), JSON, error.headers)


def mlflow(error: RequestError) -> Response:
    """`{"error_code": ..., "message": ...}`, as MLflow's scoring server answers."""
    code = "BAD_REQUEST" if error.status < 500 else "INTERNAL_ERROR"
    document = {"error_code": code, "message": with_faults(error)}
    return Response(error.status, orjson.dumps(document), JSON, error.headers)


def with_faults(error: RequestError) -> str:
    """The message and, after it, all faults, for clients that know no list of them."""
    faults = "; ".join(
        " ".join(
            part
            for part in (
                f"row {fault.row}" if fault.row is not None else "",
                f"{fault.column}" if fault.column is not None else "",
                fault.message,
                f"(expected: {fault.expected})" if fault.expected else "",
            )
            if part
        )
        for fault in error.faults
    )
    return f"{error.message}: {faults}" if faults else error.message
