"""Names of images and what registries ask for: pure rules."""

from __future__ import annotations

import pytest

from shared.adapters.registry import DistributionRegistry, Reference, parse_reference
from shared.adapters.registry.auth import Challenge, is_loopback, parse_challenges
from shared.errors import Invalid
from shared.packaging.reference import with_host

DIGEST = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("example.azurecr.io/a", Reference("example.azurecr.io", "a", None, None)),
        ("localhost/a/b_c:1.0", Reference("localhost", "a/b_c", "1.0", None)),
        ("127.0.0.1:5000/models/diabetes:3", Reference("127.0.0.1:5000", "models/diabetes", "3", None)),
        (f"host:5000/a:1@{DIGEST}", Reference("host:5000", "a", "1", DIGEST)),
        (f"[::1]:5000/a@{DIGEST}", Reference("[::1]:5000", "a", None, DIGEST)),
    ],
)
def test_references(text: str, expected: Reference) -> None:
    assert parse_reference(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize(
    "text",
    ["", "python", "python:3.11", "library/python", "https://host.example/a", "host.example/", "host.example/A",
     "host.example/a:", "host.example/a@sha256:1", f"host.example/a@sha512:{'a' * 128}", "host.example/a b",
     "host.example/../a", "host.example:port/a", "host.example/a\n", "user:secret@host.example/a"],
)  # fmt: skip
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_reference(text)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (['Bearer realm="https://a/t",service="s,\\"x\\"",scope="y"'], Challenge("bearer", "https://a/t", 's,\\"x\\"')),
        (["bearer realm=https://a/t, service=s"], Challenge("bearer", "https://a/t", "s")),
        (["Basic realm=x", 'Bearer realm="https://a/t"'], Challenge("bearer", "https://a/t", "")),
        (["Basic"], Challenge("basic")),
        (["Bearer service=s"], None),
        (["Negotiate", "Digest realm=x", ""], None),
        ([], None),
    ],
)
def test_challenges(values: list[str], expected: Challenge | None) -> None:
    assert parse_challenges(values) == expected


@pytest.mark.parametrize("registry", ["", "https://host.example", "user:secret@host.example", "host.example/a", "a b"])
def test_what_is_no_registry_is_refused(registry: str) -> None:
    with pytest.raises(Invalid) as refused:
        DistributionRegistry(registry)
    assert "secret" not in str(refused.value)


def test_loopback_is_told_by_the_name_alone() -> None:
    assert [host for host in ("localhost", "127.0.0.9", "::1", "127.0.0.1.example", "10.0.0.1", "", None)
            if is_loopback(host)] == ["localhost", "127.0.0.9", "::1"]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("python:3.11-slim", "docker.io/library/python:3.11-slim"),
        ("mambaorg/micromamba:2", "docker.io/mambaorg/micromamba:2"),
        ("mcr.microsoft.com/azureml/base:1", "mcr.microsoft.com/azureml/base:1"),
        ("localhost/a", "localhost/a"),
        ("here:5000/a:1", "here:5000/a:1"),
    ],
)
def test_an_image_without_a_registry_is_docker_hubs(text: str, whole: str) -> None:
    assert with_host(text) == whole
    assert str(parse_reference(with_host(text))) == whole
