"""Brings the versions of an MLflow registry into Slipway: numbers, aliases, tags, stages and times are kept."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from shared.cli.api import Api, segment
from shared.cli.errors import CliError, ExitCode
from shared.cli.mlflow_registry import MlflowFile, MlflowRegistry
from shared.cli.options import Options
from shared.cli.relay import RelayedFile, relay

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-._]{0,254}")  # Azure ML's rule, which is Slipway's
_LABEL = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one version, or alias."""

    id: str  # name:version, or name@alias
    outcome: str  # imported, already there, would be imported, label set, not imported
    files: int = 0
    size_bytes: int = 0
    reason: str = ""  # why it was not

    def document(self) -> dict[str, Any]:
        """For --output json."""
        return asdict(self)


def import_model(
    mlflow: MlflowRegistry, api: Api, options: Options, model: Mapping[str, Any], *, dry_run: bool
) -> Iterator[Row]:
    """One row for each version, oldest first, then one for each alias. What cannot come is a row with its reason, and
    the rest goes on. Raises CliError when Slipway or MLflow is out of reach, or refuses the credentials."""
    name = str(model["name"])
    if not _NAME.fullmatch(name):
        reason = "the name is not allowed here: letters, digits, '-', '.', '_'"
        yield Row(name, "not imported", reason=reason)
        return
    here: set[str] = set()
    for version in mlflow.versions(name):
        row = _tried(mlflow, api, options, model, version, dry_run)
        if row.outcome != "not imported":
            here.add(str(version["version"]))
        yield row
    for alias in model.get("aliases") or ():
        yield _label(api, name, str(alias["alias"]), str(alias["version"]), here, dry_run)


def _tried(
    mlflow: MlflowRegistry,
    api: Api,
    options: Options,
    model: Mapping[str, Any],
    version: Mapping[str, Any],
    dry_run: bool,
) -> Row:
    version_id = f"{version['name']}:{version['version']}"
    try:
        return _imported(mlflow, api, options, model, version, dry_run)
    except CliError as error:
        if error.exit_code in (ExitCode.UNAVAILABLE, ExitCode.NOT_AUTHORISED, ExitCode.TIMED_OUT):
            raise
        return Row(version_id, "not imported", reason=error.format_message().replace("\n", "; "))


def _imported(
    mlflow: MlflowRegistry,
    api: Api,
    options: Options,
    model: Mapping[str, Any],
    version: Mapping[str, Any],
    dry_run: bool,
) -> Row:
    name, number = str(version["name"]), str(version["version"])
    origin = _origin(mlflow.url, version)
    there = _there(api, name, number)
    if there is not None:
        if (there.get("origin") or {}).get("id") != origin["id"]:
            raise CliError(f"{name}:{number} is there already, from elsewhere")
        return Row(f"{name}:{number}", "already there", len(there["files"]), there["size_bytes"])
    if version.get("status", "READY") != "READY":
        raise CliError(f"MLflow says it is {version['status']}")
    files = mlflow.files(version)
    size_bytes = sum(file.size_bytes for file in files)
    if dry_run:
        return Row(f"{name}:{number}", "would be imported", len(files), size_bytes)
    relayed = [RelayedFile(f.path, f.size_bytes, None, partial(mlflow.content, f)) for f in files]
    key = ("mlflow", origin["id"], str(origin["created_at"]), name)
    relay(api, options, key, declaration_of(mlflow, model, version, files), origin, relayed)
    return Row(f"{name}:{number}", "imported", len(files), size_bytes)


def declaration_of(
    mlflow: MlflowRegistry, model: Mapping[str, Any], version: Mapping[str, Any], files: list[MlflowFile]
) -> dict[str, Any]:
    """The version as Slipway declares it. Tags and the description of the registered model stand behind the version's
    own."""
    is_mlflow = any(file.path == "MLmodel" for file in files)
    run_id = str(version.get("run_id") or "") or None
    stage = version.get("current_stage")
    facts = {
        "name": version["name"],
        "version": str(version["version"]),
        "type": "mlflow_model" if is_mlflow else "custom_model",
        "path": files[0].path if len(files) == 1 and not is_mlflow else ".",
        "description": version.get("description") or model.get("description") or None,
        "tags": {**_tags(model), **_tags(version)},
        "stage": stage if stage not in (None, "", "None") else None,
        "run_id": run_id,
        "experiment_name": mlflow.experiment_of(run_id) if run_id else None,
    }
    return {key: value for key, value in facts.items() if value is not None}


def _tags(of: Mapping[str, Any]) -> dict[str, str]:
    return {str(tag["key"]): str(tag.get("value", "")) for tag in of.get("tags") or ()}


def _origin(url: str, version: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "system": "mlflow",
        "id": f"{url} models:/{version['name']}/{version['version']}",
        "created_at": _time(version.get("creation_timestamp")),
        "modified_at": _time(version.get("last_updated_timestamp")),
    }


def _time(millis: Any) -> str | None:
    """RFC 3339, of milliseconds since 1970; None for None."""
    return None if millis in (None, "") else datetime.fromtimestamp(int(millis) / 1000, UTC).isoformat()


def _there(api: Api, name: str, version: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = api.get(f"models/{segment(name)}/versions/{segment(version)}")
    except CliError as error:
        if error.exit_code != ExitCode.NOT_FOUND:
            raise
        return None
    return found


def _label(api: Api, name: str, alias: str, version: str, here: set[str], dry_run: bool) -> Row:
    alias_id = f"{name}@{alias}"
    if version not in here:
        return Row(alias_id, "not imported", reason=f"version {version} was not imported")
    if not _LABEL.fullmatch(alias) or alias.lower() == "latest":
        reason = "not allowed as a label: letters, digits, '-', '_', a letter first, not `latest`"
        return Row(alias_id, "not imported", reason=reason)
    if not dry_run:
        api.call("PUT", f"models/{segment(name)}/labels/{segment(alias)}", body={"version": version})
    return Row(alias_id, "would be set" if dry_run else f"set to {version}")
