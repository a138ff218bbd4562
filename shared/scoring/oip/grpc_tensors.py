"""Inference messages of gRPC as the documents of HTTP, so that both are read and checked by the same code."""

from __future__ import annotations

from typing import Any

from shared.scoring.errors import BadRequest
from shared.scoring.oip.grpc_messages import CONTENTS, MESSAGES


def document_of(message: Any) -> tuple[dict[str, Any], bytes]:
    """A ModelInferRequest as the JSON document of HTTP, and the bytes of its raw tensors. Raises BadRequest when some
    inputs are raw and others are not. Outputs always go back raw."""
    raw = list(message.raw_input_contents)
    if raw and len(raw) != len(message.inputs):
        raise BadRequest(f"there are {len(message.inputs)} inputs and {len(raw)} raw contents")
    inputs = []
    for index, each in enumerate(message.inputs):
        given: dict[str, Any] = {"name": each.name, "datatype": each.datatype, "shape": list(each.shape)}
        if raw:
            given["parameters"] = {"binary_data_size": len(raw[index])}
        else:
            given["data"] = _contents(each)
        inputs.append(given)
    document: dict[str, Any] = {
        "inputs": inputs,
        "outputs": [{"name": each.name} for each in message.outputs],
        "parameters": {"binary_data_output": True},
    }
    if message.id:
        document["id"] = message.id
    return document, b"".join(raw)


def _contents(each: Any) -> list[Any]:
    field = CONTENTS.get(each.datatype)
    if field is None:
        raise BadRequest(f"{each.name} has the datatype {each.datatype!r}; allowed: {', '.join(CONTENTS)}, or raw")
    values = list(getattr(each.contents, field))
    try:
        return [value.decode("utf-8") for value in values] if field == "bytes_contents" else values
    except UnicodeDecodeError:
        raise BadRequest(f"{each.name} has a text that is not UTF-8") from None


def response_of(document: dict[str, Any], tail: bytes) -> Any:
    """The ModelInferResponse of HTTP's document and the bytes behind it."""
    response = MESSAGES["ModelInferResponse"](
        model_name=document["model_name"], model_version=document["model_version"], id=document.get("id", "")
    )
    start = 0
    for output in document["outputs"]:
        response.outputs.add(name=output["name"], datatype=output["datatype"], shape=output["shape"])
        end = start + output["parameters"]["binary_data_size"]
        response.raw_output_contents.append(tail[start:end])
        start = end
    return response
