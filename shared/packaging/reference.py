"""Names of images: HOST[:PORT]/REPOSITORY[:TAG][@DIGEST] (OCI distribution-spec 1.1, "Pulling manifests")."""

from __future__ import annotations

import re
from dataclasses import dataclass

from shared.errors import Invalid
from shared.packaging.descriptor import checked_digest
from shared.packaging.layout import TAG_RULE, is_valid_tag

REFERENCE_RULE = "HOST[:PORT]/REPOSITORY[:TAG][@DIGEST], such as example.azurecr.io/models/diabetes:3"
REPOSITORY_RULE = "lower-case letters and digits, with single '.', '_', '/' or '-' between them; at most 255 characters"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*\Z")
_HOST = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?)(?::[0-9]{1,5})?\Z")


@dataclass(frozen=True, slots=True)
class Reference:
    """Where an image is."""

    registry: str  # HOST or HOST:PORT
    repository: str
    tag: str | None
    digest: str | None  # what counts, when there is also a tag

    def __str__(self) -> str:
        tag, digest = f":{self.tag}" if self.tag else "", f"@{self.digest}" if self.digest else ""
        return f"{self.registry}/{self.repository}{tag}{digest}"


def parse_reference(text: str) -> Reference:
    """The parts of an image's name. The host is not guessed: the first part must hold a '.' or a ':', or be localhost.
    Raises Invalid for anything else."""
    name, at, digest = text.partition("@")
    registry, slash, path = name.partition("/")
    repository, colon, tag = path.partition(":")
    if not slash or not _is_host(registry) or not ("." in registry or ":" in registry or registry == "localhost"):
        raise Invalid(
            f"the image {_shown(text)} does not begin with the host of a registry (allowed: {REFERENCE_RULE})",
            remedy="write the registry's host before the repository",
        )
    if colon and not is_valid_tag(tag):
        raise Invalid(f"the image {_shown(text)} has a tag that is none (allowed: {TAG_RULE})")
    if at:
        checked_digest(digest, f"the image {_shown(name)}")
    return Reference(registry, checked_repository(repository), tag or None, digest or None)


def checked_registry(registry: str) -> str:
    """`registry`, when it is HOST or HOST:PORT. Raises Invalid otherwise."""
    if not _is_host(registry):
        shown = registry[:200].rpartition("@")[2]
        raise Invalid(f"{shown!r} is not a registry (allowed: HOST or HOST:PORT)", remedy="give its host alone")
    return registry


def with_host(text: str) -> str:
    """The name of an image with its registry: a name without one is Docker Hub's, whose own images are in `library`, as
    every Docker client has it (distribution project, reference package, "familiar names")."""
    first, slash, _ = text.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return text
    return f"docker.io/{text}" if slash else f"docker.io/library/{text}"


def checked_repository(repository: str) -> str:
    """`repository`, when it is a repository's name. Raises Invalid otherwise."""
    if len(repository) > 255 or not _REPOSITORY.match(repository):
        raise Invalid(f"{repository[:200]!r} is not a repository's name (allowed: {REPOSITORY_RULE})")
    return repository


def checked_reference(reference: str) -> str:
    """`reference`, when it is a tag or a digest. Raises Invalid otherwise."""
    return reference if is_valid_tag(reference) else checked_digest(reference, "the reference of a manifest")


def _is_host(text: str) -> bool:
    return _HOST.match(text) is not None


def _shown(text: str) -> str:
    """Without a user and a password, which somebody may have put before the host."""
    return repr(text[:200].rpartition("@")[2] if "@" in text.partition("/")[0] else text[:200])
