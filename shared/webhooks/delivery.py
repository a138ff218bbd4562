"""One delivery of a git host, in one shape for all hosts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Provider = Literal["github", "gitlab", "azure-devops", "generic"]


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull or merge request, as it was when the host sent the delivery."""

    number: int
    head_sha: str
    head_ref: str  # refs/heads/...
    base_ref: str  # refs/heads/...


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a host says happened. `event` is push, ping, pull_request, release, workflow_run or ignored."""

    provider: Provider
    delivery_id: str  # the same for every attempt of the host: the caller's key against replays
    event: str
    size_bytes: int  # of the raw body
    repository_urls: tuple[str, ...] = ()  # clone URLs over http(s), without credentials, query and `.git`
    ref: str | None = None  # refs/heads/... or refs/tags/...
    before: str | None = None  # commit id; None when the ref is new or the host did not say
    after: str | None = None  # commit id; None when the ref is gone
    sender: str | None = None
    deleted: bool = False
    forced: bool = False  # only as the host says it: GitLab, Azure DevOps and generic do not
    pull_request: PullRequest | None = None
    action: str | None = None  # of a pull request, release or workflow run
    tag: str | None = None  # of a release
    conclusion: str | None = None  # of a workflow run
    reason: str | None = None  # why it is ignored
