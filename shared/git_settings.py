"""The repositories Slipway follows and their secrets, from the settings and the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from pydantic import TypeAdapter

from shared.errors import Invalid
from shared.resources.git_repository import GitRepository
from shared.setting_lists import load_named

_REPOSITORY = TypeAdapter(GitRepository)


def load_git_repositories(setting: str) -> tuple[GitRepository, ...]:
    """The repositories in `setting` (a file's path, or JSON that starts with `[`); none when it is empty.

    Raises Invalid with every fault; the faults never hold a value."""
    return tuple(load_named("SLIPWAY_GIT_REPOSITORIES", setting, "repositories", _REPOSITORY).values())


def webhook_secrets(repository: GitRepository, environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Every secret its deliveries may be signed with, also those being replaced (_PREVIOUS); () if there is none."""
    variables = [f"SLIPWAY_GIT_SECRET_{_variable(name)}" for name in repository.secret_names]
    names = [name for variable in variables for name in (variable, f"{variable}_PREVIOUS")]
    return tuple(environ[name] for name in names if environ.get(name))


def git_token(repository: GitRepository, environ: Mapping[str, str] = os.environ) -> str | None:
    """The token for fetching and reporting, read anew each time; None when none is named. Raises Invalid when unset."""
    if repository.token_secret_name is None:
        return None
    variable = f"SLIPWAY_GIT_TOKEN_{_variable(repository.token_secret_name)}"
    if not environ.get(variable):
        raise Invalid(f"repository {repository.name} names a token, but {variable} is not set")
    return environ[variable]


def _variable(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", name.upper())
