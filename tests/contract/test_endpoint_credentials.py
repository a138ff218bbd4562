"""What every EndpointCredentialStore does."""

from __future__ import annotations

import asyncio
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.adapters.azure.no_credentials import NoCredentials
from shared.adapters.local.endpoint_credentials import LocalCredentials
from shared.deployments.credentials import current
from shared.errors import Invalid, NotSupported, Permanent
from shared.ports import EndpointCredentialStore
from shared.resources.endpoint_credentials import EndpointCredentials
from shared.resources.endpoint_status import OnlineEndpointStatus

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> EndpointCredentialStore:
    return LocalCredentials(tmp_path / "keys")


def made(kept: EndpointCredentials | None) -> EndpointCredentials:
    return current(kept, NOW, OnlineEndpointStatus())


def once_more(kept: EndpointCredentials | None) -> EndpointCredentials:
    assert kept is not None
    return current(kept, NOW, OnlineEndpointStatus(primary_key_generation=kept.primary_generation + 1))


async def test_what_is_kept_is_found_again_by_the_next(store: EndpointCredentialStore, tmp_path: Path) -> None:
    first = await store.update("live", made)
    assert await store.update("live", made) == first
    assert await LocalCredentials(tmp_path / "keys").update("live", made) == first
    assert await store.update("other", made) != first


async def test_updates_at_once_happen_one_after_the_other(store: EndpointCredentialStore, tmp_path: Path) -> None:
    await store.update("live", made)
    stores = [store, LocalCredentials(tmp_path / "keys")]
    await asyncio.gather(*(stores[n % 2].update("live", once_more) for n in range(20)))
    assert (await store.update("live", made)).primary_generation == 21


async def test_what_is_not_kept_is_forgotten(store: EndpointCredentialStore) -> None:
    await store.keep_only(frozenset(), LATER)
    first, other = await store.update("live", made), await store.update("other", made)
    await store.keep_only(frozenset({"other"}), LATER)
    assert await store.update("live", made) != first
    assert await store.update("other", made) == other


async def test_those_of_an_endpoint_that_came_while_it_was_counted_stay(
    store: EndpointCredentialStore, tmp_path: Path
) -> None:
    first = await store.update("live", made)
    (tmp_path / "keys" / "damaged.json").write_text("{")
    await store.keep_only(frozenset(), NOW)
    assert await store.update("live", made) == first
    assert (tmp_path / "keys" / "damaged.json").exists()


async def test_a_name_leads_nowhere_else(store: EndpointCredentialStore) -> None:
    for name in ("../live", "a/b", "", ".", "a" * 200):
        with pytest.raises(Invalid):
            await store.update(name, made)


async def test_locally_only_the_owner_reads_them_and_damage_is_told_without_its_content(tmp_path: Path) -> None:
    store = LocalCredentials(tmp_path / "keys")
    kept = await store.update("live", made)
    path = tmp_path / "keys" / "live.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.write_text(path.read_text().replace("primary_generation", "generation"))
    with pytest.raises(Permanent) as error:
        await store.update("live", made)
    assert kept.primary_key not in str(error.value)
    assert error.value.__cause__ is None


async def test_where_there_are_none_it_says_so() -> None:
    with pytest.raises(NotSupported):
        await NoCredentials().update("live", made)
    await NoCredentials().keep_only(frozenset(), NOW)
