"""`slipway validate`: declared files checked offline, for people, for CI and for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shared.cli.errors import ExitCode, fault_line, printable
from shared.cli.options import Options, common_options

if TYPE_CHECKING:
    from shared.declarations.load import Loader

FORMATS = ("text", "github", "sarif", "json")
SUFFIXES = (".yml", ".yaml")
SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


@dataclass(slots=True)
class Checked:
    """What was found out about the files."""

    valid: list[dict[str, Any]] = field(default_factory=list)  # file, form, kind, name
    refused: list[dict[str, Any]] = field(default_factory=list)  # faults: file, line, column, pointer, message, allowed
    warnings: list[dict[str, Any]] = field(default_factory=list)  # like faults
    passed_over: int = 0  # YAML files in folders that are no declared files


@click.command("validate")
@click.argument(
    "paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="FILE|FOLDER..."
)
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True, help="How to print.")
@click.option("--set", "given", multiple=True, metavar="KEY=VALUE", help="A value the file leaves out, e.g. its name.")
@common_options
def validate(options: Options, paths: tuple[Path, ...], form: str, given: tuple[str, ...]) -> None:
    """Check declared files without a server: keys, values, references, and the files they name.

    In folders, YAML files that declare nothing are passed over. Exit code 4 when something is refused.
    """
    del options  # nothing is asked of a server
    checked = _check(paths, _overrides(given))
    click.echo(_PRINTERS[form](checked))
    if checked.refused:
        raise click.exceptions.Exit(int(ExitCode.REFUSED))


def _overrides(given: Iterable[str]) -> dict[str, str]:
    pairs = [each.partition("=") for each in given]
    if wrong := [key for key, equals, _ in pairs if not (key and equals)]:
        raise click.BadParameter(f"{wrong[0]!r} is not KEY=VALUE", param_hint="--set")
    return {key: value for key, _, value in pairs}


def _check(paths: Iterable[Path], overrides: dict[str, str]) -> Checked:
    from shared.declarations.load import Loader
    from shared.declarations.trees import DiskTree

    checked, loader = Checked(), Loader(DiskTree(Path()))
    for path in paths:
        if path.is_dir():
            for file in _yaml_files(path):
                _check_one(checked, loader, file.as_posix(), overrides, in_folder=True)
        else:
            _check_one(checked, loader, path.as_posix(), overrides, in_folder=False)
    return checked


def _yaml_files(folder: Path) -> Iterator[Path]:
    """YAML files below a folder, sorted; hidden folders are left out."""
    for path in sorted(folder.rglob("*")):
        if path.suffix in SUFFIXES and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def _check_one(checked: Checked, loader: Loader, file: str, overrides: dict[str, str], *, in_folder: bool) -> None:
    from shared.declarations.form import looks_declared
    from shared.errors import Fault, SlipwayError

    try:
        if in_folder and not looks_declared(loader.source(file)):
            checked.passed_over += 1
            return
        found = loader.load(file, overrides=overrides)
    except SlipwayError as error:
        faults = error.faults or (Fault(error.message, file=file, line=1, column=1),)
        new = [{"code": error.code, **fault.as_dict()} for fault in faults]
        checked.refused += [fault for fault in new if fault not in checked.refused]
    else:
        checked.valid.append({"file": file, "form": found.form.name, "kind": found.kind, "name": found.name})
        checked.warnings += [fault.as_dict() for fault in found.warnings]


def _text(checked: Checked) -> str:
    lines = [printable(fault_line(fault)) for fault in checked.refused]
    lines += [f"warning: {printable(fault_line(fault))}" for fault in checked.warnings]
    over = f", {checked.passed_over} other YAML files passed over" if checked.passed_over else ""
    wrong = len({fault.get("file") for fault in checked.refused})
    return "\n".join([*lines, f"{len(checked.valid)} valid, {wrong} refused{over}"])


def _json(checked: Checked) -> str:
    import json

    document = {
        "valid": checked.valid,
        "refused": checked.refused,
        "warnings": checked.warnings,
        "passed_over": checked.passed_over,
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _github(checked: Checked) -> str:
    """Workflow commands (GitHub Docs, "Workflow commands for GitHub Actions", setting an error message)."""
    lines = [_command("error", fault) for fault in checked.refused]
    return "\n".join(lines + [_command("warning", fault) for fault in checked.warnings])


def _command(level: str, fault: dict[str, Any]) -> str:
    names = {"file": "file", "line": "line", "column": "col"}
    place = ",".join(f"{short}={_property(fault[key])}" for key, short in names.items() if fault.get(key) is not None)
    return f"::{level} {place}::{_data(_message(fault))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: Any) -> str:
    return _data(str(value)).replace(":", "%3A").replace(",", "%2C")


def _message(fault: dict[str, Any]) -> str:
    return fault_line({key: value for key, value in fault.items() if key not in ("file", "line", "column")})


def _sarif(checked: Checked) -> str:
    """A log of the Static Analysis Results Interchange Format 2.1.0 (OASIS)."""
    import json
    from importlib import metadata

    results = [_result("error", fault) for fault in checked.refused]
    results += [_result("warning", fault) for fault in checked.warnings]
    rules = [{"id": each} for each in sorted({str(result["ruleId"]) for result in results})]
    driver = {"name": "slipway", "version": metadata.version("slipway"), "rules": rules}
    run = {"tool": {"driver": driver}, "results": results}
    return json.dumps({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _result(level: str, fault: dict[str, Any]) -> dict[str, Any]:
    from urllib.parse import quote

    region = {"startLine": fault.get("line", 1), "startColumn": fault.get("column", 1)}
    place = {"artifactLocation": {"uri": quote(str(fault.get("file", "")))}, "region": region}
    return {
        "ruleId": str(fault.get("code", "NotRun")),
        "level": level,
        "message": {"text": _message(fault)},
        "locations": [{"physicalLocation": place}],
    }


_PRINTERS = {"text": _text, "github": _github, "sarif": _sarif, "json": _json}
