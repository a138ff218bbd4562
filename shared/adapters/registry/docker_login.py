"""Credentials that `docker login`, `podman login` or `skopeo login` left: the file that all of them read."""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Mapping
from pathlib import Path

from shared.adapters.registry.auth import Credentials
from shared.errors import Invalid


def login_of(registry: str, environ: Mapping[str, str] | None = None) -> Credentials | None:
    """The credentials for HOST or HOST:PORT, None when there are none. Looked for in $REGISTRY_AUTH_FILE, then in
    $DOCKER_CONFIG/config.json, then in ~/.docker/config.json (containers-auth.json(5)); credential helpers are not
    asked. Raises Invalid for a file that cannot be read; it never shows what is in it."""
    source = os.environ if environ is None else environ
    folder = Path(source.get("DOCKER_CONFIG") or Path(source.get("HOME", "/")) / ".docker")
    path = Path(source["REGISTRY_AUTH_FILE"]) if source.get("REGISTRY_AUTH_FILE") else folder / "config.json"
    if not path.exists():
        return None
    try:
        entry = json.loads(path.read_text()).get("auths", {}).get(registry) or {}
        text = base64.b64decode(entry.get("auth") or "", validate=True).decode()
    except (OSError, ValueError, AttributeError, binascii.Error) as error:
        remedy = f"log in again: skopeo login {registry}"
        raise Invalid(f"the credentials in {path} cannot be read ({type(error).__name__})", remedy=remedy) from None
    username, colon, password = text.partition(":")
    return Credentials(username, password.rstrip("\0")) if colon else None
