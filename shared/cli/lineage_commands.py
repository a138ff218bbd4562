"""`slipway lineage`: what a model came from and what came from it, as a tree or a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from shared.cli import output
from shared.cli.api import Api, segment
from shared.cli.options import Options, options_with_outputs
from shared.cli.references import model_reference

_FORMS = {".svg": "svg", ".mmd": "mermaid", ".mermaid": "mermaid", ".json": "json", ".yaml": "yaml", ".yml": "yaml"}


@click.group("lineage")
def lineage() -> None:
    """Show where something came from, and what came from it."""


@lineage.command("model")
@click.argument("reference", metavar="NAME[:VERSION|@LABEL]")
@click.option("--depth", type=click.IntRange(1, 100), help="At most so many steps away [10].")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write here; .svg, .mmd, .json say how.")
@options_with_outputs("tree", "mermaid", "svg", "json", "yaml")
def show_model(options: Options, reference: str, depth: int | None, out: Path | None) -> None:
    """Show the lineage of a model version: data, run, commit, environment, parents, derived models, users.

    -o is tree, mermaid (a Mermaid flowchart), svg (a picture), json or yaml.
    """
    name, version = model_reference(reference)
    with Api(options) as api:
        found = api.get(f"models/{segment(name)}/versions/{segment(version)}/lineage", {"depth": depth})
    given = options.output if options.output != "table" else None
    form = given or (_FORMS.get(out.suffix.lower(), "tree") if out else "tree")
    text = output.document_text(found, form) if form in ("json", "yaml") else _drawn(found, form)
    if out is None:
        click.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")
        click.echo(f"Wrote {out} ({form})")
    if found["truncated"]:
        click.echo(f"There is more than is shown: {len(found['nodes'])} things, --depth {found['depth']}.", err=True)


def _drawn(found: dict[str, Any], form: str) -> str:
    if form == "svg":
        from shared.cli.lineage_svg import svg

        return svg(found)
    if form == "mermaid":
        from shared.cli.lineage_mermaid import mermaid

        return mermaid(found)
    from shared.cli.lineage_tree import tree

    return tree(found)
