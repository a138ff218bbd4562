"""Which repositories are followed, and where their secrets come from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.errors import Invalid
from shared.git_settings import git_token, load_git_repositories, webhook_secrets

ENTRY = {"name": "m", "url": "https://h/m", "provider": "github", "secret_names": ["m-1"], "token_secret_name": "m"}


def test_repositories_come_from_a_file_or_from_json(tmp_path: Path) -> None:
    file = tmp_path / "repositories.yml"
    file.write_text("- {name: m, url: https://h/m, provider: github, branches: ['release/*']}")
    (from_file,) = load_git_repositories(str(file))
    assert from_file.follows("refs/heads/release/1")
    assert not from_file.follows("refs/tags/release/1")
    assert load_git_repositories(json.dumps([ENTRY]))[0].folders == ["."]
    assert load_git_repositories("") == ()


@pytest.mark.parametrize(
    "change",
    [{"url": "https://u:hidden@h/m"}, {"url": "http://h/m"}, {"url": "ssh://h"}, {"folders": ["../x"]}, {"x": 1}],
)
def test_wrong_repositories_are_refused_without_their_values(change: dict[str, object]) -> None:
    with pytest.raises(Invalid) as caught:
        load_git_repositories(json.dumps([{**ENTRY, **change}]))
    assert "hidden" not in str(caught.value)


def test_secrets_and_tokens_come_from_the_environment() -> None:
    (repository,) = load_git_repositories(json.dumps([ENTRY]))
    environ = {"SLIPWAY_GIT_SECRET_M_1": "new", "SLIPWAY_GIT_SECRET_M_1_PREVIOUS": "old", "SLIPWAY_GIT_TOKEN_M": "t"}
    assert webhook_secrets(repository, environ) == ("new", "old")
    assert git_token(repository, environ) == "t"
    with pytest.raises(Invalid, match="SLIPWAY_GIT_TOKEN_M"):
        git_token(repository, {})
