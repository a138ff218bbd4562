"""The repositories Slipway follows and their secrets, from the settings and the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from shared.errors import Fault, Invalid
from shared.resources.git_repository import GitRepository


def load_git_repositories(setting: str) -> tuple[GitRepository, ...]:
    """The repositories in `setting` (a file's path, or JSON that starts with `[`); none when it is empty.

    Raises Invalid with every fault; the faults never hold a value."""
    import yaml

    if not setting:
        return ()
    try:
        text = setting if setting.lstrip().startswith("[") else Path(setting).read_text()
        entries = yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise Invalid(f"SLIPWAY_GIT_REPOSITORIES can't be read ({type(error).__name__})") from None
    if not isinstance(entries, list):
        raise Invalid("SLIPWAY_GIT_REPOSITORIES is not a list of repositories")
    faults: list[Fault] = []
    repositories: list[GitRepository] = []
    for index, entry in enumerate(entries):
        try:
            repositories.append(GitRepository.model_validate(entry))
        except ValidationError as error:
            faults += [Fault(e["msg"], "/".join(["", str(index), *map(str, e["loc"])])) for e in error.errors()]
    names = [repository.name for repository in repositories]
    faults += [
        Fault("two repositories have this name", f"/{name}") for name in sorted(set(names)) if names.count(name) > 1
    ]
    if faults:
        raise Invalid("SLIPWAY_GIT_REPOSITORIES is wrong", faults=tuple(faults))
    return tuple(repositories)


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
