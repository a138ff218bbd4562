"""Results on stdout: a table for people, or exactly the REST documents as JSON or YAML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from shared.cli.errors import printable
from shared.cli.options import Options

MAX_CELL = 60  # characters
_GAP = "  "


def show(options: Options, document: Any, table: str) -> None:
    """Print the document in the form that was asked for; `table` is its form for people."""
    if options.output in ("json", "yaml"):
        click.echo(document_text(document, options.output), nl=False)
    elif table:
        click.echo(table)


def document_text(document: Any, form: str) -> str:
    """The document as "json" or "yaml", with a newline at its end."""
    if form == "yaml":
        return _yaml(document)
    import json

    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def show_item(options: Options, document: Any, line: str) -> None:
    """Print one document of an endless stream: a line of JSON, a YAML document, or `line`."""
    if options.output == "json":
        import json

        click.echo(json.dumps(document, ensure_ascii=False))
    elif options.output == "yaml":
        click.echo("---\n" + _yaml(document), nl=False)
    else:
        click.echo(line)


def _yaml(document: Any) -> str:
    import yaml

    return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))


def table(headings: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str) -> str:
    """Aligned columns under headings; `empty` when there are no rows."""
    cells = [[_cell(value) for value in row] for row in rows]
    if not cells:
        return empty
    widths = [max(len(row[i]) for row in [list(headings), *cells]) for i in range(len(headings))]
    lines = [_GAP.join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in [headings, *cells]]
    return "\n".join(lines)


def fields(pairs: Iterable[tuple[str, Any]]) -> str:
    """One line for each name and value; lists and mappings one line for each entry; empty values are left out."""
    given = [(name, _lines(value)) for name, value in pairs if value not in (None, "", [], {})]
    width = max((len(name) for name, _ in given), default=0)
    lines = []
    for name, values in given:
        lines += [f"{name if i == 0 else '':<{width}}{_GAP}{value}" for i, value in enumerate(values)]
    return "\n".join(lines)


def _lines(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [printable(f"{key}={each}") for key, each in value.items()]
    each = value if isinstance(value, list | tuple) else str(value).splitlines()
    return [printable(str(line)) for line in each]


def _cell(value: Any) -> str:
    if isinstance(value, Mapping):
        value = ", ".join(f"{key}={each}" for key, each in value.items())
    text = one_line("" if value is None else str(value))
    return text if len(text) <= MAX_CELL else text[: MAX_CELL - 1] + "…"


def one_line(text: str) -> str:
    """The text in a line, without what could steer a terminal."""
    return " ".join(printable(text).split())


def size(size_bytes: int) -> str:
    """A size for people: 999 B, 1.5 kB, 2.0 GB (powers of 1000)."""
    if size_bytes < 1000:
        return f"{size_bytes} B"
    amount, units = size_bytes / 1000, ["kB", "MB", "GB", "TB"]
    while amount >= 999.95 and len(units) > 1:
        amount /= 1000
        units.pop(0)
    return f"{amount:.1f} {units[0]}"


def moment(time: Any) -> str:
    """An RFC 3339 time to the second, as the server gave it."""
    text = str(time or "")
    head, dot, rest = text.partition(".")
    return head + rest.lstrip("0123456789") if dot else text


def show_bill(options: Options, bill: Any) -> None:
    """Print a software bill of materials: JSON, as CycloneDX is read, or YAML where that is asked for."""
    click.echo(document_text(bill, "yaml" if options.output == "yaml" else "json"), nl=False)
