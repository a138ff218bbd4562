"""What the environment says: Azure ML's own variables, and SLIPWAY_SCORING_* for what Azure ML has none for."""

# ruff: noqa: RUF009 - _setting is dataclasses.field with what the field is for
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from shared.scoring.errors import StartError

PREFIX = "SLIPWAY_SCORING_"
T = TypeVar("T")


def _flag(text: str) -> bool:
    known = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in known:
        raise ValueError(f"allowed: {', '.join(known)}")
    return known[text.lower()]


def _at_least(parse: Callable[[str], T], least: Any, most: Any = None) -> Callable[[str], T]:
    def parsed(text: str) -> T:
        value: Any = parse(text)
        if not value >= least or (most is not None and value > most):  # NaN is refused, too
            raise ValueError(f"allowed: {least} to {most}" if most is not None else f"allowed: {least} or more")
        return value  # type: ignore[no-any-return]

    return parsed


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def _level(text: str) -> str:
    known = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
    if text.upper() not in known:
        raise ValueError(f"allowed: {', '.join(known)}")
    return text.upper()


def _roll(text: str) -> str:
    known = ("minute", "hour", "day")
    if text.lower() not in known:
        raise ValueError(f"allowed: {', '.join(known)}")
    return text.lower()


class Hidden(str):
    """A text that may hold a secret: it shows nothing of itself in representations."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'...'"


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _setting(default: Any, parse: Callable[[str], Any], variable: str, text: str) -> Any:
    return field(default=default, metadata={"parse": parse, "variable": variable, "text": text})


_PORT = _at_least(int, 0, 65535)
_COUNT = _at_least(int, 1)
_NUMBER = _at_least(float, 0)


@dataclass(frozen=True, slots=True)
class Settings:
    """Each field with its default, the variable that sets it, and what it is for (see docs/scoring.md)."""

    # Azure ML's (azureml-inference-server-http 1.5.1: constants.py, server/config.py)
    app_root: Path = _setting(Path("/var/azureml-app"), Path, "AML_APP_ROOT", "folder of the entry script")
    entry_script: str = _setting("", str, "AZUREML_ENTRY_SCRIPT", "script with init() and run(); none: an ONNX model")
    source_directory: str = _setting("", str, "AZUREML_SOURCE_DIRECTORY", "folder in the app root to import from")
    model_dir: Path | None = _setting(None, _path, "AZUREML_MODEL_DIR", "folder of the model's files")
    port: int = _setting(5001, _PORT, "SERVER_PORT", "port; 0 takes a free one")
    health_port: int | None = _setting(None, _PORT, "HEALTH_PORT", "second port that serves the same")
    workers: int = _setting(1, _COUNT, "WORKER_COUNT", "calls of run() at once")
    scoring_timeout_ms: int = _setting(3_600_000, _COUNT, "SCORING_TIMEOUT_MS", "after it the answer is 500")
    service_name: str = _setting("ML service", str, "SERVICE_NAME", "title of swagger.json")
    service_version: str = _setting("1.0", str, "SERVICE_VERSION", "version of swagger.json")
    service_path_prefix: str = _setting("", str, "SERVICE_PATH_PREFIX", "before the paths of swagger.json")
    cors_origins: tuple[str, ...] = _setting((), _names, "AML_CORS_ORIGINS", "origins that browsers may call from")
    log_level: str = _setting("INFO", _level, "AZUREML_LOG_LEVEL", "lowest level that is logged")
    server_version: str = _setting("", str, "HTTP_X_MS_SERVER_VERSION", "sent as x-ms-server-version")
    # Slipway's own
    host: str = _setting("0.0.0.0", str, PREFIX + "HOST", "address to listen on")  # noqa: S104
    grpc_port: int | None = _setting(None, _PORT, PREFIX + "GRPC_PORT", "port of gRPC; needs the extra scoring-grpc")
    max_body_bytes: int = _setting(100 * 2**20, _COUNT, PREFIX + "MAX_BODY_BYTES", "larger bodies: 413")
    max_header_bytes: int = _setting(65_536, _COUNT, PREFIX + "MAX_HEADER_BYTES", "larger headers: 431")
    header_timeout_s: float = _setting(10.0, _NUMBER, PREFIX + "HEADER_TIMEOUT_S", "for request line and headers: 408")
    body_timeout_s: float = _setting(
        30.0, _NUMBER, PREFIX + "BODY_TIMEOUT_S", "for a body, and 1 s more for each 16 KiB of it: 408"
    )
    keep_alive_s: float = _setting(75.0, _NUMBER, PREFIX + "KEEP_ALIVE_S", "idle connections are closed after it")
    max_connections: int = _setting(4_000, _COUNT, PREFIX + "MAX_CONNECTIONS", "more connections: 503")
    max_concurrent: int = _setting(1_024, _COUNT, PREFIX + "MAX_CONCURRENT", "more requests at once: 429")
    max_batch_rows: int = _setting(256, _COUNT, PREFIX + "MAX_BATCH_ROWS", "rows of one call of the model")
    max_delay_ms: float = _setting(0.0, _NUMBER, PREFIX + "MAX_DELAY_MS", "wait for more requests to batch")
    threads: int = _setting(0, _at_least(int, 0), PREFIX + "THREADS", "of the model; 0: what cgroup limits allow")
    drain_timeout_s: float = _setting(30.0, _NUMBER, PREFIX + "DRAIN_TIMEOUT_S", "to finish after SIGTERM")
    access_log: bool = _setting(False, _flag, PREFIX + "ACCESS_LOG", "log every request, not only failures")
    keys_file: Path | None = _setting(None, _path, PREFIX + "KEYS_FILE", "JSON with primaryKey and secondaryKey")
    token_file: Path | None = _setting(None, _path, PREFIX + "TOKEN_FILE", "secret that signs HS256 tokens")
    collect_dir: Path | None = _setting(None, _path, PREFIX + "COLLECT_DIR", "where inputs and outputs are collected")
    collect_url: str = _setting(
        Hidden(""), Hidden, PREFIX + "COLLECT_URL", "the same in Blob Storage: a container's URL, may have a SAS"
    )
    collect_sas_file: Path | None = _setting(
        None, _path, PREFIX + "COLLECT_SAS_FILE", "file with the SAS of that URL; read again when it changes"
    )
    collections: tuple[str, ...] = _setting(
        ("model_inputs", "model_outputs"),
        _names,
        PREFIX + "COLLECTIONS",
        "what is collected: these, request, response, and names that a script collects under",
    )
    collect_roll: str = _setting("hour", _roll, PREFIX + "COLLECT_ROLL", "a new file each minute, hour or day")
    collect_headers: tuple[str, ...] = _setting(
        (), _names, PREFIX + "COLLECT_HEADERS", "headers that are kept with request and response"
    )
    collect_percent: float = _setting(
        100.0, _at_least(float, 0, 100), PREFIX + "COLLECT_PERCENT", "share of requests that is collected"
    )
    collect_buffer_bytes: int = _setting(
        32 * 2**20, _COUNT, PREFIX + "COLLECT_BUFFER_BYTES", "waiting to be written; more is dropped and counted"
    )
    endpoint: str = _setting("local", str, PREFIX + "ENDPOINT", "first part of collected paths")
    deployment: str = _setting("default", str, PREFIX + "DEPLOYMENT", "second part of collected paths")
    model_version: str = _setting("1", str, PREFIX + "MODEL_VERSION", "what collected lines name")


def from_environment(environ: Mapping[str, str]) -> Settings:
    """The settings of these variables; what is missing or empty has its default. Raises StartError for a value that is
    not allowed, with the variable's name and what is."""
    given: dict[str, Any] = {}
    for each in fields(Settings):
        variable = each.metadata["variable"]
        text = environ.get(variable, "")
        if text:
            try:
                given[each.name] = each.metadata["parse"](text)
            except ValueError as error:
                raise StartError(f"{variable}={text!r}: {error}") from error
    return Settings(**given)


def table() -> list[tuple[str, str, str]]:
    """Variable, default as text and purpose of every setting, for the documentation and `--help`."""
    rows = []
    for each in fields(Settings):
        value = each.default
        text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        text = ",".join(value) if isinstance(value, tuple) else text
        rows.append((each.metadata["variable"], text, each.metadata["text"]))
    return rows
