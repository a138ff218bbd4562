"""The keys of one local installation: made at the first start, kept in `secrets.json`, readable by its owner only."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

from pydantic import Field, ValidationError

from shared.errors import Permanent
from shared.resources.base import Document

FILE_NAME = "secrets.json"


def _key() -> str:
    return secrets.token_urlsafe(32)


class LocalSecrets(Document):
    """What must not be in logs, events or errors."""

    master_key: str = Field(default_factory=_key)  # opens every function and /admin
    host_keys: dict[str, str] = Field(default_factory=lambda: {"default": _key()})  # name -> key of every function
    eventgrid_key: str = Field(default_factory=_key)  # the system key of /runtime/webhooks/eventgrid
    topic_key: str = Field(default_factory=_key)  # aeg-sas-key of the stand-in's topic endpoint
    url_signing_key: str = Field(default_factory=_key)  # signs upload and download URLs


def load_secrets(data_dir: Path) -> LocalSecrets:
    """The installation's secrets; made, and written atomically with mode 0600, when there are none. Raises Permanent
    when the file is damaged: new keys would silently lock everybody out."""
    path = data_dir / FILE_NAME
    data_dir.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        _write_new(path, LocalSecrets())
    try:
        return LocalSecrets.model_validate_json(path.read_bytes())
    except (ValidationError, ValueError) as error:
        raise Permanent(f"{path} is damaged", remedy="restore it, or delete it to get new keys") from error


def _write_new(path: Path, made: LocalSecrets) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(made.model_dump(), file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)  # unlike rename, never replaces the keys another process has just made
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
