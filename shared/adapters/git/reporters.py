"""Reporting on commits to GitHub, GitLab and Azure DevOps over their REST APIs."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from shared.errors import NotFound, Permanent, Retryable, Unauthorized
from shared.ports import CommitReporter, CommitState
from shared.resources.git_repository import GitRepository

MAX_DESCRIPTION = 140  # characters; GitHub's limit, kept for all
_GITLAB_STATES = {"pending": "pending", "success": "success", "failure": "failed", "error": "failed"}
_AZURE_STATES = {"pending": "pending", "success": "succeeded", "failure": "failed", "error": "error"}


class NoReporter:
    """Says that nothing was reported, because no token or no host with statuses is configured."""

    async def report(
        self, commit: str, state: CommitState, description: str, target_url: str, context: str = "slipway"
    ) -> bool:
        """False: not configured."""
        return False

    async def comment(self, pull_request: int, text: str) -> bool:
        """False: not configured."""
        return False


@dataclass(frozen=True, slots=True)
class _Api:
    base: str  # URL of the repository in the host's API
    headers: dict[str, str]  # with the token: never shown
    timeout_s: float = 30

    async def post(self, path: str, document: dict[str, Any]) -> bool:
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=self.timeout_s)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, headers=self.headers) as session,
                session.post(self.base + path, json=document, allow_redirects=False) as answer,
            ):
                _check(answer.status, answer.headers.get("Retry-After"), answer.headers.get("X-RateLimit-Remaining"))
                return True
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Retryable(f"the git host can't be reached ({type(error).__name__})") from None


class GitHubReporter:
    """GitHub commit statuses and issue comments (REST, 2022-11-28)."""

    def __init__(self, base_url: str, repository: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}", "X-GitHub-Api-Version": "2022-11-28"}
        self._api = _Api(f"{base_url}/repos/{repository}", headers)

    async def report(
        self, commit: str, state: CommitState, description: str, target_url: str, context: str = "slipway"
    ) -> bool:
        """As the port says."""
        document = {"state": state, "description": _cut(description), "target_url": target_url, "context": context}
        return await self._api.post(f"/statuses/{commit}", document)

    async def comment(self, pull_request: int, text: str) -> bool:
        """As the port says."""
        return await self._api.post(f"/issues/{pull_request}/comments", {"body": text})


class GitLabReporter:
    """GitLab commit statuses and merge request notes (REST v4)."""

    def __init__(self, base_url: str, repository: str, token: str) -> None:
        self._api = _Api(f"{base_url}/projects/{quote(repository, safe='')}", {"PRIVATE-TOKEN": token})

    async def report(
        self, commit: str, state: CommitState, description: str, target_url: str, context: str = "slipway"
    ) -> bool:
        """As the port says."""
        document = {"state": _GITLAB_STATES[state], "description": _cut(description), "target_url": target_url}
        return await self._api.post(f"/statuses/{commit}", {**document, "name": context})

    async def comment(self, pull_request: int, text: str) -> bool:
        """As the port says."""
        return await self._api.post(f"/merge_requests/{pull_request}/notes", {"body": text})


class AzureDevOpsReporter:
    """Azure DevOps git statuses and pull request threads (REST 7.1)."""

    def __init__(self, base_url: str, repository: str, token: str) -> None:
        project, _, name = repository.partition("/_git/")
        encoded = base64.b64encode(f":{token}".encode()).decode()
        base = f"{base_url}/{project}/_apis/git/repositories/{name}"
        self._api = _Api(base, {"Authorization": f"Basic {encoded}"})

    async def report(
        self, commit: str, state: CommitState, description: str, target_url: str, context: str = "slipway"
    ) -> bool:
        """As the port says."""
        document = {"state": _AZURE_STATES[state], "description": _cut(description), "targetUrl": target_url}
        document_with_context = {**document, "context": {"name": context, "genre": "slipway"}}
        return await self._api.post(f"/commits/{commit}/statuses?api-version=7.1", document_with_context)

    async def comment(self, pull_request: int, text: str) -> bool:
        """As the port says."""
        comment = {"parentCommentId": 0, "content": text, "commentType": "text"}
        path = f"/pullRequests/{pull_request}/threads?api-version=7.1"
        return await self._api.post(path, {"comments": [comment], "status": "active"})


def reporter_for(
    repository: GitRepository, credential: Callable[[], str | None], api_url: str | None = None
) -> CommitReporter:
    """The reporter of the repository's host; NoReporter without a token, with report: false or a generic host.

    `api_url` replaces the host's own API, which is told from the repository's URL."""
    token = credential() if repository.report else None
    url = urlsplit(repository.url)
    path = url.path.strip("/").removesuffix(".git")
    origin = f"{url.scheme}://{url.netloc}"
    if not token:
        return NoReporter()
    match repository.provider:
        case "github":
            public = "https://api.github.com" if url.hostname == "github.com" else f"{origin}/api/v3"
            return GitHubReporter(api_url or public, path, token)
        case "gitlab":
            return GitLabReporter(api_url or f"{origin}/api/v4", path, token)
        case "azure-devops":
            return AzureDevOpsReporter(api_url or origin, path, token)
    return NoReporter()


def _cut(description: str) -> str:
    return description if len(description) <= MAX_DESCRIPTION else description[: MAX_DESCRIPTION - 1] + "…"


def _check(status: int, retry_after: str | None, remaining: str | None) -> None:
    if status in (200, 201):
        return
    if status == 429 or status >= 500 or (status == 403 and (retry_after or remaining == "0")):
        raise Retryable(f"the git host answered {status}")
    if status in (401, 403, 203, 302):  # Azure DevOps answers a wrong token with its sign-in page
        raise Unauthorized(f"the git host refused the token ({status})", remedy="check token_secret_name")
    if status == 404:
        raise NotFound("the git host has no such commit or pull request, or the token may not see it")
    raise Permanent(f"the git host refused the report ({status})")
