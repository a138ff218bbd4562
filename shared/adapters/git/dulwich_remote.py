"""Reading a git repository with dulwich: no git process, hooks, submodules or working tree."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import url2pathname

from shared.adapters.git.tree import Limits, find_commit, read_chunks, read_snapshot
from shared.errors import Invalid, NotFound, Retryable, SlipwayError, Unauthorized
from shared.ports import Snapshot
from shared.resources.git_repository import GitRepository

T = TypeVar("T")


class DulwichRemote:
    """GitRemote over http(s) and local paths. Every call fetches what it needs into a temporary folder of its own."""

    def __init__(
        self,
        repository: GitRepository,
        credential: Callable[[], str | None] = lambda: None,
        limits: Limits | None = None,
    ) -> None:
        self._repository = repository
        self._credential = credential
        self._limits = limits or Limits()

    async def resolve(self, ref: str) -> str | None:
        """As the port says; an annotated tag comes out as the commit it names, when the remote says so."""

        def look() -> str | None:
            client, path = self._client()
            refs = client.get_refs(path).refs
            found = refs.get(f"{ref}^{{}}".encode()) or refs.get(ref.encode())
            return found.decode() if found else None

        return await self._run(look)

    async def snapshot(self, commit: str) -> Snapshot:
        """As the port says."""
        limits, folders = self._limits, self._repository.folders
        return await self._run(lambda: self._with_commit(commit, lambda s: read_snapshot(s, commit, folders, limits)))

    async def open_file(self, commit: str, path: str) -> AsyncIterator[bytes]:
        """As the port says; the commit is fetched again."""
        chunks = await self._run(lambda: self._with_commit(commit, lambda s: list(read_chunks(s, commit, path))))
        for chunk in chunks:
            yield chunk

    async def is_ancestor(self, older: str, newer: str) -> bool:
        """As the port says; the history is fetched without files, where the remote can leave them out."""
        if older == newer:
            return True
        return await self._run(lambda: self._is_ancestor(older, newer))

    def _is_ancestor(self, older: str, newer: str) -> bool:
        depth = min(100, self._limits.commits)
        while True:
            answer = self._with_commit(
                newer, lambda store: _reaches(store, older, newer), depth=depth, filter_spec=b"tree:0"
            )
            if answer is not None:
                return answer
            if depth >= self._limits.commits:
                raise Invalid(
                    f"whether {older} is an ancestor of {newer} can't be told from {depth} commits",
                    remedy="sync the branch explicitly",
                )
            depth = min(depth * 10, self._limits.commits)

    def _with_commit(
        self, commit: str, read: Callable[[Any], T], depth: int = 1, filter_spec: bytes | None = None
    ) -> T:
        from dulwich.repo import Repo

        folder = tempfile.mkdtemp(prefix="slipway-git-")
        try:
            with Repo.init_bare(folder) as target:
                self._fetch(target, commit, depth, filter_spec)
                return read(target.object_store)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _fetch(self, target: Any, commit: str, depth: int, filter_spec: bytes | None) -> None:
        client, path = self._client()
        pack, finish, abort = target.object_store.add_pack()
        write = _bounded(pack.write, self._limits)
        try:
            result = client.fetch_pack(
                path, lambda refs, depth=None: [commit.encode()], target.get_graph_walker(), write, depth=depth,
                filter_spec=filter_spec,
            )  # fmt: skip
        except BaseException:
            abort()
            raise
        finish()
        target.update_shallow(result.new_shallow, result.new_unshallow)
        find_commit(target.object_store, commit)

    def _client(self) -> tuple[Any, str]:
        from dulwich.client import LocalGitClient, Urllib3HttpGitClient

        url = urlsplit(self._repository.url)
        if url.scheme in ("http", "https"):
            token = self._credential()
            user = "x-access-token" if token else None  # GitHub's name; GitLab and Azure DevOps take any
            origin = f"{url.scheme}://{url.netloc}"
            client = Urllib3HttpGitClient(
                origin, username=user, password=token, timeout=self._limits.timeout_s, thin_packs=False, quiet=True
            )
            return client, url.path
        path = url2pathname(url.path) if url.scheme == "file" else self._repository.url
        if not Path(path).is_dir():
            raise NotFound(f"repository {self._repository.name}: there is no such folder")
        return LocalGitClient(thin_packs=False), path

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            async with asyncio.timeout(self._limits.timeout_s * 2):
                return await asyncio.to_thread(_translated, work, self._repository.name)
        except TimeoutError as error:
            raise Retryable(f"repository {self._repository.name} did not answer in time") from error


def _reaches(store: Any, older: str, newer: str) -> bool | None:
    """Whether `older` is reachable; None when a commit is missing, so that it can't be told."""
    waiting, seen, is_complete = [newer.encode()], set[bytes](), True
    while waiting:
        oid = waiting.pop()
        if oid == older.encode():
            return True
        if oid in seen:
            continue
        seen.add(oid)
        if oid in store:
            waiting.extend(store[oid].parents)
        else:
            is_complete = False
    return False if is_complete else None


def _bounded(write: Callable[[bytes], Any], limits: Limits) -> Callable[[bytes], int]:
    received, deadline = 0, time.monotonic() + limits.timeout_s

    def checked(data: bytes) -> int:
        nonlocal received
        received += len(data)
        if received > limits.pack_bytes:
            raise Invalid(f"the fetch is larger than {limits.pack_bytes} bytes")
        if time.monotonic() > deadline:
            raise Retryable(f"the fetch took longer than {limits.timeout_s:g} s")
        write(data)
        return len(data)

    return checked


def _translated(work: Callable[[], T], name: str) -> T:
    """What `work` returns. dulwich's messages can hold URLs and headers, so none of them is passed on or chained."""
    from dulwich.client import HTTPUnauthorized
    from dulwich.errors import GitProtocolError, NotGitRepository, ObjectMissing
    from urllib3.exceptions import HTTPError

    failure: SlipwayError
    try:
        return work()
    except HTTPUnauthorized:
        failure = Unauthorized(f"repository {name} refused the token, or needs one", remedy="check token_secret_name")
    except NotGitRepository:
        failure = NotFound(f"repository {name} is not there, or the token may not see it")
    except (KeyError, ObjectMissing):
        failure = NotFound(f"repository {name} does not have that commit, or something it refers to")
    except (GitProtocolError, HTTPError, OSError) as error:
        failure = _protocol_failure(name, error)
    raise failure from None


def _protocol_failure(name: str, error: BaseException) -> SlipwayError:
    if "not our ref" in str(error):
        return NotFound(f"repository {name} does not have that commit")
    return Retryable(f"repository {name} can't be read now ({type(error).__name__})")
