"""Locks: resolved by uv from a real index on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from shared.environments.lock import Pin, compare_locks, dump_lock, read_lock
from shared.environments.requirements import checked, of_list
from shared.environments.resolve import resolve
from shared.environments.uv import uv_environment
from shared.errors import Invalid, Retryable
from tests.doubles.package_index import PackageIndex, package_index


@pytest.fixture
async def index() -> AsyncIterator[PackageIndex]:
    async with package_index() as made:
        made.add("alpha", "1.0")
        made.add("beta", "1.0", ["alpha>=1"])
        made.add("winonly", "1.0")
        yield made


async def lock(index: PackageIndex, *requirements: str, former: Sequence[Pin] = (), timeout_s: float = 60) -> list[str]:
    pins = await resolve(
        checked(of_list(requirements)), "3.11", former=former, index_url=index.url, timeout_s=timeout_s
    )
    return [str(pin) for pin in pins]


async def test_what_is_unpinned_stays_until_it_is_upgraded(index: PackageIndex) -> None:
    first = await resolve(checked(of_list(["beta"])), "3.11", former=(), index_url=index.url, timeout_s=60)
    assert [str(pin) for pin in first] == ["alpha==1.0", "beta==1.0"]
    assert all(pin.hashes and pin.hashes[0].startswith("sha256:") for pin in first)
    index.add("alpha", "2.0")
    index.add("gamma", "1.0")
    assert await lock(index, "beta", "gamma", former=first) == ["alpha==1.0", "beta==1.0", "gamma==1.0"]
    assert await lock(index, "beta", "gamma") == ["alpha==2.0", "beta==1.0", "gamma==1.0"]
    assert await lock(index, "beta", "alpha>=2", former=first) == ["alpha==2.0", "beta==1.0"]


async def test_one_lock_serves_every_platform(index: PackageIndex) -> None:
    pins = await resolve(
        checked(of_list(["alpha", "winonly; sys_platform == 'win32'"])),
        "3.11",
        former=(),
        index_url=index.url,
        timeout_s=60,
    )
    assert [(pin.name, pin.marker) for pin in pins] == [("alpha", ""), ("winonly", "sys_platform == 'win32'")]
    assert read_lock(dump_lock(pins)) == pins


async def test_nothing_to_lock_asks_nobody(index: PackageIndex) -> None:
    assert await lock(index) == []
    assert index.requests == []


@pytest.mark.parametrize(
    ("requirements", "reason"),
    [
        (["nosuchthing"], "nosuchthing was not found in the package registry"),
        (["alpha==9"], "there is no version of alpha==9"),
        (["alpha<1"], "alpha<1"),
    ],
)
async def test_what_cannot_be_met_says_why(index: PackageIndex, requirements: list[str], reason: str) -> None:
    with pytest.raises(Invalid) as refused:
        await lock(index, *requirements)
    assert reason in refused.value.message
    assert "\n" not in refused.value.message
    assert "╰" not in refused.value.message


async def test_an_index_that_does_not_answer_is_asked_again_later(
    index: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    index.status = 503
    with pytest.raises(Retryable, match="did not answer"):
        await lock(index, "alpha")


def test_uv_sees_nothing_of_slipways_settings() -> None:
    given = {"PATH": "/bin", "SLIPWAY_KEY": "secret", "AZURE_CLIENT_SECRET": "secret", "UV_INDEX_URL": "https://other"}
    passed = uv_environment("https://index", given)
    assert "secret" not in passed.values()
    assert passed["UV_DEFAULT_INDEX"] == "https://index"
    assert "UV_INDEX_URL" not in passed
    assert uv_environment("", given)["UV_INDEX_URL"] == "https://other"


def test_a_lock_is_read_strictly() -> None:
    with pytest.raises(Invalid, match="the lock cannot be used"):
        read_lock("alpha==1.0\n")
    with pytest.raises(Invalid, match="the lock cannot be used"):
        read_lock("alpha>=1.0 --hash=sha256:" + "0" * 64)
    assert read_lock("# nothing\n\n") == ()


def test_two_locks_are_compared_package_by_package() -> None:
    def pins(**versions: str) -> tuple[Pin, ...]:
        return tuple(Pin(name, version, "", ("sha256:0",)) for name, version in versions.items())

    changes = compare_locks(pins(a="1", b="1", c="1"), pins(a="1", b="2", d="1"))
    assert [(one.name, one.before, one.after) for one in changes] == [
        ("b", "1", "2"),
        ("c", "1", None),
        ("d", None, "1"),
    ]
    assert compare_locks(pins(a="1"), pins(a="1")) == ()
