"""The contract of CommitReporter, against each host's API on loopback."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from shared.adapters.git.reporters import reporter_for
from shared.errors import NotFound, Retryable, Unauthorized
from shared.resources.git_repository import GitRepository
from tests.doubles.git_host_api import git_host_api

TOKEN, SHA = "tok-secret", "a" * 40
HOSTS = {
    "github": ("https://github.com/octo/models.git", f"/repos/octo/models/statuses/{SHA}", "failure"),
    "gitlab": ("https://gitlab.com/a/b/models.git", f"/projects/a%2Fb%2Fmodels/statuses/{SHA}", "failed"),
    "azure-devops": (
        "https://dev.azure.com/org/project/_git/models",
        f"/org/project/_apis/git/repositories/models/commits/{SHA}/statuses",
        "failed",
    ),
}
COMMENTS = {
    "github": "/repos/octo/models/issues/7/comments",
    "gitlab": "/projects/a%2Fb%2Fmodels/merge_requests/7/notes",
    "azure-devops": "/org/project/_apis/git/repositories/models/pullRequests/7/threads",
}
every_host = pytest.mark.parametrize("provider", HOSTS)


def reporter(provider: Any, api_url: str, token: str | None = TOKEN, report: bool = True) -> Any:
    repository = GitRepository(name="models", url=HOSTS[provider][0], provider=provider, report=report)
    return reporter_for(repository, lambda: token, api_url)


@every_host
async def test_a_status_and_a_comment_arrive_in_the_hosts_words(provider: str) -> None:
    _, path, state = HOSTS[provider]
    async with git_host_api(TOKEN) as api:
        assert await reporter(provider, api.url).report(SHA, "failure", "x" * 200, "https://slipway/sync/1")
        assert await reporter(provider, api.url).comment(7, "2 created")
    (status_path, status), (comment_path, comment) = api.received
    assert (status_path, status["state"]) == (path, state)
    assert len(status["description"]) == 140
    assert comment_path == COMMENTS[provider]
    assert "2 created" in str(comment)


@every_host
async def test_nothing_is_sent_when_it_is_not_configured(provider: str) -> None:
    async with git_host_api(TOKEN) as api:
        for subject in (reporter(provider, api.url, token=None), reporter(provider, api.url, report=False)):
            assert await subject.report(SHA, "success", "", "") is False
            assert await subject.comment(7, "text") is False
    assert api.received == []


@every_host
@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [(429, {}, Retryable), (503, {}, Retryable), (403, {"Retry-After": "60"}, Retryable), (403, {}, Unauthorized),
     (404, {}, NotFound)],
)  # fmt: skip
async def test_refusals_are_translated(provider: str, status: int, headers: dict[str, str], expected: Any) -> None:
    async with git_host_api(TOKEN) as api:
        api.fail_with = web.Response(status=status, headers=headers)
        with pytest.raises(expected):
            await reporter(provider, api.url).report(SHA, "success", "", "")


@every_host
async def test_a_wrong_token_is_not_shown_and_a_host_that_is_down_is_retryable(provider: str) -> None:
    async with git_host_api(TOKEN) as api:
        with pytest.raises(Unauthorized) as caught:
            await reporter(provider, api.url, token="tok-wrong").report(SHA, "success", "", "")
    assert "tok-wrong" not in str(caught.value)
    with pytest.raises(Retryable):
        await reporter(provider, api.url).report(SHA, "success", "", "")
