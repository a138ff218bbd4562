"""A repository that Slipway follows. Secrets are named here, never held."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from shared.resources.base import NAME_PATTERN, Document


class GitRepository(Document):
    """Which repository, branches and folders are synchronised, and how."""

    name: str = Field(pattern=NAME_PATTERN, description="how Slipway calls the repository")
    url: str = Field(description="https://, http:// (with allow_http), file:// or an absolute path; no credentials")
    provider: Literal["github", "gitlab", "azure-devops", "generic"] = Field(
        description="whose deliveries are accepted"
    )
    branches: list[str] = Field(default=["main"], min_length=1, description="patterns (fnmatch) of branch names")
    folders: list[str] = Field(default=["."], min_length=1, description="folders that hold declared files")
    secret_names: list[str] = Field(default=[], description="names of the webhook secrets; values are in the settings")
    token_secret_name: str | None = Field(default=None, description="name of the token for fetching and reporting")
    allow_http: bool = Field(default=False, description="accept a URL without TLS")
    prune: bool = Field(default=False, description="removing a file removes what it declared")
    report: bool = Field(default=True, description="report on commits to the host, where a token is configured")

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("a repository's url holds no credentials, query or fragment: name a token_secret_name")
        if parts.scheme not in ("https", "http", "file") and not url.startswith("/"):
            raise ValueError("a repository's url is https://, http://, file:// or an absolute path")
        return url

    @field_validator("folders")
    @classmethod
    def _check_folders(cls, folders: list[str]) -> list[str]:
        for folder in folders:
            if folder.startswith("/") or "\\" in folder or ".." in folder.split("/"):
                raise ValueError("a folder is relative to the repository's root, without `..`")
        return folders

    def model_post_init(self, _context: object) -> None:
        """Refuse plain HTTP that was not asked for."""
        if self.url.startswith("http://") and not self.allow_http:
            raise ValueError("url is http://, which shows the token to the network: use https, or set allow_http")

    def follows(self, ref: str) -> bool:
        """Whether `ref` is a branch that is synchronised."""
        branch = ref.removeprefix("refs/heads/")
        return branch != ref and any(fnmatchcase(branch, pattern) for pattern in self.branches)
