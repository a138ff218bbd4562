"""The `slipway` command."""

from __future__ import annotations

from typing import Any

import click

from shared.cli.errors import EXIT_CODES_HELP
from shared.cli.lazy_group import LazyGroup
from shared.cli.options import Options, common_options, root_options

_MODULES = {
    "model": "model_group",
    "run": "run_group",
    "lineage": "lineage_commands",
    "event": "event_commands",
    "subscription": "subscription_commands",
    "upload": "upload_commands",
    "reconcile": "upload_commands",
    "policy": "policy_commands",
    "audit": "audit_commands",
    "doctor": "doctor_command",
    "validate": "validate_command",
    "apply": "apply_commands",
    "diff": "apply_commands",
    "get": "apply_commands",
    "delete": "apply_commands",
    "sync": "sync_commands",
    "data": "data_commands",
    "environment": "environment_audit",
    "image": "image_commands",
    "profile": "profile_commands",
    "optimization": "optimization_commands",
    "endpoint": "endpoint_commands",
    "deployment": "deployment_commands",
    "rollout": "rollout_commands",
    "drift": "drift_commands",
    "monitor": "monitor_commands",
}
COMMANDS = {name: f"shared.cli.{module}:{name}" for name, module in _MODULES.items()}  # where each is


def _version(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        from importlib import metadata

        click.echo(f"slipway {metadata.version('slipway')}")
        context.exit()


@click.group(
    "slipway",
    cls=LazyGroup,
    lazy=COMMANDS,
    epilog=EXIT_CODES_HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@root_options
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show the version.")
def slipway() -> None:
    """MLOps from the command line: models, events, subscriptions.

    Talks to the Slipway in the data folder, or to the one that --url names; the options below may stand after a
    command, too.
    """


@slipway.command("up")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=7071, show_default=True, help="0: any free one.")
@common_options
def up(options: Options, host: str, port: int) -> None:
    """Run the control plane on this machine until Ctrl-C; its data are in --data-dir."""
    import asyncio

    from shared.local_host.up import run

    raise click.exceptions.Exit(asyncio.run(run(options.data_path, host, port)) or 0)


def main(arguments: list[str] | None = None) -> Any:
    """Run the command and exit with one of shared.cli.errors.ExitCode."""
    return slipway.main(args=arguments, prog_name="slipway")


if __name__ == "__main__":
    main()
