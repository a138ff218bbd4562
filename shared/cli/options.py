"""The options every command has. They may stand before or after the command's name; the one nearest to its end wins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

OUTPUTS = ("table", "json", "yaml")
DEFAULT_TIMEOUT_S = 300.0


@dataclass(slots=True)
class Options:
    """What was given on the command line or in the environment; None where nothing was."""

    url: str | None = None  # SLIPWAY_URL
    key: str | None = None  # SLIPWAY_KEY
    auth: str = "key"  # "key" or "entra"
    scope: str | None = None  # of the Entra token
    data_dir: str = ".slipway"  # SLIPWAY_DATA_DIR
    output: str = "table"  # "table", "json", "yaml"
    no_progress: bool = False
    timeout_s: float = DEFAULT_TIMEOUT_S

    def __repr__(self) -> str:  # the key must never get into a log
        return f"Options(url={self.url!r}, auth={self.auth!r}, data_dir={self.data_dir!r})"

    @property
    def data_path(self) -> Path:
        """The data folder of a local installation."""
        return Path(self.data_dir)


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Notes a value that was really given, so that a default further down does not undo what stands further up."""
    options = context.ensure_object(Options)
    if parameter.name is not None and value is not None and value is not False:
        setattr(options, parameter.name, value)


def _options(*, root: bool, outputs: Sequence[str] = OUTPUTS) -> list[Callable[[F], F]]:
    def option(*names: str, envvar: str | None = None, **settings: Any) -> Callable[[F], F]:
        settings["envvar"] = envvar if root else None  # once: the environment must not win over the command line
        settings["hidden"] = not root and "--output" not in names  # told once, by `slipway --help`
        return click.option(*names, expose_value=False, callback=_keep, **settings)

    timeout = click.FloatRange(min=0, min_open=True)
    return [
        option("--url", envvar="SLIPWAY_URL", help="The server [SLIPWAY_URL; else the one in the data folder]."),
        option("--key", envvar="SLIPWAY_KEY", help="Function key [SLIPWAY_KEY, which other users cannot see in ps]."),
        option("--auth", type=click.Choice(["key", "entra"]), help="How to prove who you are [key]."),
        option("--scope", envvar="SLIPWAY_SCOPE", help="With --auth entra: e.g. api://CLIENT-ID/.default"),
        option("--data-dir", envvar="SLIPWAY_DATA_DIR", help="Data of a local Slipway [.slipway]."),
        option(
            "-o", "--output", type=click.Choice(outputs), help=f"json and yaml print the REST documents [{outputs[0]}]."
        ),
        option("--no-progress", is_flag=True, help="No progress bars."),
        option("--timeout-s", type=timeout, help=f"How long to wait for an answer or result [{DEFAULT_TIMEOUT_S:g}]."),
    ]


def root_options(function: F) -> F:
    """Adds the options to the `slipway` group itself."""
    for add in reversed(_options(root=True)):
        function = add(function)
    return function


def common_options(function: F) -> F:
    """Adds the options to a command, hidden: `slipway --help` tells them once. Passes Options first."""
    return options_with_outputs(*OUTPUTS)(function)


def options_with_outputs(*outputs: str) -> Callable[[F], F]:
    """As common_options, for a command whose result has these forms; the first is for people."""

    def decorate(function: F) -> F:
        function = click.pass_obj(function)  # type: ignore[assignment]  # click's wrapper keeps name and parameters
        for add in reversed(_options(root=False, outputs=outputs)):
            function = add(function)
        return function

    return decorate
