"""`slipway model import mlflow`."""

from __future__ import annotations

import base64
import os
from urllib.parse import urlsplit

import click

from shared.cli import output
from shared.cli.api import Api
from shared.cli.errors import CliError, ExitCode
from shared.cli.options import Options, common_options


@click.group("import")
def import_() -> None:
    """Bring models from another registry."""


@import_.command("mlflow")
@click.option(
    "--tracking-uri", required=True, metavar="URL", help="The MLflow server: http://HOST[:PORT], https://HOST."
)
@click.option("--name", "names", multiple=True, help="A registered model; repeatable.")
@click.option("--all", "everything", is_flag=True, help="All registered models.")
@click.option("--token-env", metavar="VAR", help="The variable with a bearer token [MLFLOW_TRACKING_TOKEN].")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@common_options
def mlflow(
    options: Options,
    tracking_uri: str,
    names: tuple[str, ...],
    everything: bool,
    token_env: str | None,
    dry_run: bool,
) -> None:
    """Import registered models from an MLflow server, with versions, aliases, tags, stages and times.

    Needs no mlflow here. Credentials come from MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or a token. What
    is there already is skipped, so an import that was broken off goes on when it is started again. Exit code 1 when
    something could not be imported; the table says why.
    """
    from shared.cli.mlflow_import import import_model
    from shared.cli.mlflow_registry import MlflowRegistry

    if bool(names) == everything:
        raise click.UsageError("give --name NAME, once or more, or --all")
    registry = MlflowRegistry(_url(tracking_uri), _authorization(token_env), options.timeout_s)
    rows = []
    try:
        with Api(options) as api:
            for model in registry.models() if everything else [registry.model(name) for name in names]:
                for row in import_model(registry, api, options, model, dry_run=dry_run):
                    click.echo(f"{row.id}: {row.outcome}", err=True)
                    rows.append(row)
    finally:
        registry.close()
    cells = [(row.id, row.outcome, row.files or "", output.size(row.size_bytes), row.reason) for row in rows]
    table = output.table(("ID", "OUTCOME", "FILES", "SIZE", "REASON"), cells, empty="There are no models to import.")
    output.show(options, {"items": [row.document() for row in rows]}, table)
    failed = [row for row in rows if row.outcome == "not imported"]
    if failed:
        why = "\n".join(f"  {row.id}: {row.reason}" for row in failed)
        raise CliError(f"{len(failed)} of {len(rows)} were not imported:\n{why}", ExitCode.FAILURE)


def _url(text: str) -> str:
    parts = urlsplit(text)
    if "@" in parts.netloc or parts.query or parts.fragment:  # not repeated: it may hold a password
        raise click.UsageError("--tracking-uri must hold no user, password or query; see --help")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise click.UsageError(f"--tracking-uri must be http://HOST[:PORT] or https://HOST, not {text!r}")
    return text.rstrip("/")


def _authorization(token_env: str | None) -> str | None:
    """As MLflow's own client (its docs, "Logging to a Tracking Server"): user and password win over the token."""
    if token_env is not None and not os.environ.get(token_env):
        raise click.UsageError(f"--token-env names {token_env}, which is not set")
    user, password = os.environ.get("MLFLOW_TRACKING_USERNAME"), os.environ.get("MLFLOW_TRACKING_PASSWORD")
    if token_env is None and user and password:
        return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
    token = os.environ.get(token_env or "MLFLOW_TRACKING_TOKEN")
    return f"Bearer {token}" if token else None
