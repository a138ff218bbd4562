"""`slipway model` with all its commands."""

from __future__ import annotations

from shared.cli.copying import copy
from shared.cli.image_commands import package
from shared.cli.import_commands import import_
from shared.cli.model_commands import model
from shared.cli.optimization_commands import optimize_model
from shared.cli.profile_commands import profile_model

__all__ = ["model"]

for command in (copy, import_, package, profile_model, optimize_model):
    model.add_command(command)
