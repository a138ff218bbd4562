"""The git repositories that are followed: how each is read and reported to, and what signs their deliveries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shared.errors import NotFound
from shared.git_settings import load_git_repositories, webhook_secrets
from shared.ports import CommitReporter, GitRemote
from shared.resources.git_repository import GitRepository


@dataclass(frozen=True, slots=True)
class GitHosts:
    """The configured repositories. Secrets and tokens are read from the environment each time, and kept nowhere."""

    setting: str  # SLIPWAY_GIT_REPOSITORIES
    remote: Callable[[GitRepository], GitRemote]  # how a repository is read
    reporter: Callable[[GitRepository], CommitReporter]  # how its host is told what became of a commit

    @property
    def repositories(self) -> tuple[GitRepository, ...]:
        """All of them; () when none is configured. Raises Invalid for a setting that is wrong."""
        return load_git_repositories(self.setting)

    def named(self, name: str) -> GitRepository:
        """The repository of that name. Raises NotFound with those that there are."""
        known = self.repositories
        found = next((one for one in known if one.name == name), None)
        if found is None:
            names = ", ".join(one.name for one in known) or "none"
            raise NotFound(f"no repository {name[:80]!r} is configured", remedy=f"SLIPWAY_GIT_REPOSITORIES has {names}")
        return found

    def secrets(self, repository: GitRepository) -> tuple[str, ...]:
        """What its deliveries may be signed with."""
        return webhook_secrets(repository)
