"""The `slipway` command."""

from __future__ import annotations

from typing import Any

import click

from shared.cli.apply_commands import apply, delete, diff, get
from shared.cli.audit_commands import audit
from shared.cli.copying import copy
from shared.cli.data_commands import data
from shared.cli.deployment_commands import deployment
from shared.cli.doctor_command import doctor
from shared.cli.drift_commands import drift
from shared.cli.endpoint_commands import endpoint
from shared.cli.environment_audit import environment
from shared.cli.errors import EXIT_CODES_HELP
from shared.cli.event_commands import event
from shared.cli.image_commands import image, package
from shared.cli.import_commands import import_
from shared.cli.lineage_commands import lineage
from shared.cli.model_commands import model
from shared.cli.monitor_commands import monitor
from shared.cli.optimization_commands import optimization, optimize_model
from shared.cli.options import Options, common_options, root_options
from shared.cli.policy_commands import policy
from shared.cli.profile_commands import profile, profile_model
from shared.cli.rollout_commands import rollout
from shared.cli.run_commands import run
from shared.cli.run_local import local
from shared.cli.subscription_commands import subscription
from shared.cli.sync_commands import sync
from shared.cli.upload_commands import reconcile, upload
from shared.cli.validate_command import validate


def _version(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        from importlib import metadata

        click.echo(f"slipway {metadata.version('slipway')}")
        context.exit()


@click.group("slipway", epilog=EXIT_CODES_HELP, context_settings={"help_option_names": ["-h", "--help"]})
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


COMMANDS = (
    *(model, run, lineage, event, subscription, upload, reconcile, policy, audit, doctor),
    *(
        validate,
        apply,
        diff,
        get,
        delete,
        sync,
        data,
        environment,
        image,
        profile,
        optimization,
        endpoint,
        deployment,
        rollout,
        drift,
        monitor,
    ),
)
for command in COMMANDS:
    slipway.add_command(command)


for command in (copy, import_, package, profile_model, optimize_model):
    model.add_command(command)
run.add_command(local)


def main(arguments: list[str] | None = None) -> Any:
    """Run the command and exit with one of shared.cli.errors.ExitCode."""
    return slipway.main(args=arguments, prog_name="slipway")


if __name__ == "__main__":
    main()
