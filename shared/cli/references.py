"""How people name versions and settings on the command line."""

from __future__ import annotations

import re

import click

_REFERENCE = re.compile(r"(?P<name>[^:@]+)(?::(?P<version>[^:@]+)|@(?P<label>[^:@]+))?")
_AGO = re.compile(r"(\d+)([smhd])")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def model_reference(text: str) -> tuple[str, str]:
    """(name, version for REST) of NAME, NAME:VERSION or NAME@LABEL, also after `azureml:`; "latest" when no
    version is named, "@LABEL" for a label. Raises click.UsageError."""
    name, version = optional_version(text)
    return name, version or "latest"


def optional_version(text: str) -> tuple[str, str | None]:
    """As model_reference, but None where no version is named. Raises click.UsageError."""
    match = _REFERENCE.fullmatch(text.removeprefix("azureml:"))
    if match is None:
        raise click.UsageError(f"{text!r} is not NAME, NAME:VERSION or NAME@LABEL")
    label = match["label"]
    if label is None or label == "latest":
        return match["name"], label or match["version"]
    return match["name"], f"@{label}"


def assignments(pairs: tuple[str, ...], option: str) -> dict[str, str]:
    """{"k": "v"} of ("k=v",). Raises click.UsageError."""
    for pair in pairs:
        if "=" not in pair or pair.startswith("="):
            raise click.UsageError(f"{option} must be KEY=VALUE, not {pair!r}")
    return {key: value for key, _, value in (pair.partition("=") for pair in pairs)}


def time_since(text: str | None) -> str | None:
    """An RFC 3339 time: `15m` (s, m, h, d ago) is counted from now, anything else is for the server to read."""
    match = _AGO.fullmatch(text or "")
    if match is None:
        return text
    from datetime import UTC, datetime, timedelta

    try:
        time = datetime.now(UTC) - timedelta(seconds=int(match[1]) * _UNIT_S[match[2]])
    except OverflowError as error:
        raise click.UsageError(f"--since {text} is too long ago") from error
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
