"""Syncs: the declared files of one place at one moment, and what became of each of them."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool

from shared.resources.base import Document, Status

KIND = "sync"
REF_KIND = "git-ref"  # what was applied last of a branch
SYNC_ID_PATTERN = r"^[a-z0-9][a-z0-9-]{7,63}$"
MAX_FILES = 5000  # declared files of one sync
MAX_FILES_BYTES = 600_000  # of all outcomes in a status: it stands in the history too, and a commit takes 2 MB
MAX_FAULTS = 10  # of one file in a status; `slipway validate` tells all
MAX_CHANGES = 20  # of one file in a status
MAX_TEXT = 1000  # characters of a reason or of a fault's message in a status

# Which properties name the place a resource was declared at; they are kept beside Azure ML's own.
SOURCE = "slipway.source"  # the repository, `config`, or who applied the files: prune looks only at what is its own
SOURCE_FILE = "slipway.source.file"  # the file's path in that place
BRANCH = "azureml.git.branch"  # Azure ML's: prune of a branch leaves what another one declared
SOURCE_LINE = "slipway.source.line"  # the line the declaration begins at


class SyncPhase(StrEnum):
    """Where a sync is on its way."""

    PENDING = "Pending"  # noted; nothing was fetched yet (or it is to be done again after a re-drive)
    APPLYING = "Applying"  # the commit is fetched, and resources are written, each file all or nothing
    SUCCEEDED = "Succeeded"  # every declared file is so
    PARTIALLY_SUCCEEDED = "PartiallySucceeded"  # some files were refused, all others are so
    FAILED = "Failed"  # nothing is so: the commit could not be fetched, or every declared file was refused
    SUPERSEDED = "Superseded"  # a newer commit of the same ref is, or will be, applied in its place
    SKIPPED = "Skipped"  # there is nothing to do: the ref is not followed, or it is gone


# Every change of phase that may happen. Re-driving is the way back from Failed and PartiallySucceeded.
TRANSITIONS: dict[SyncPhase, frozenset[SyncPhase]] = {
    SyncPhase.PENDING: frozenset({SyncPhase.APPLYING, SyncPhase.FAILED, SyncPhase.SUPERSEDED, SyncPhase.SKIPPED}),
    SyncPhase.APPLYING: frozenset(
        {
            SyncPhase.SUCCEEDED,
            SyncPhase.PARTIALLY_SUCCEEDED,
            SyncPhase.FAILED,
            SyncPhase.SUPERSEDED,
            SyncPhase.SKIPPED,
        }
    ),
    SyncPhase.SUCCEEDED: frozenset(),
    SyncPhase.PARTIALLY_SUCCEEDED: frozenset({SyncPhase.PENDING}),
    SyncPhase.FAILED: frozenset({SyncPhase.PENDING}),
    SyncPhase.SUPERSEDED: frozenset(),
    SyncPhase.SKIPPED: frozenset(),
}
TERMINAL = frozenset(SyncPhase) - {SyncPhase.PENDING, SyncPhase.APPLYING}


class Trigger(StrEnum):
    """What asked for a sync."""

    PUSH = "push"  # a branch has a new commit
    PULL_REQUEST = "pull_request"  # what a pull request would change: always a dry run
    RELEASE = "release"  # a release was published
    WORKFLOW_RUN = "workflow_run"  # a workflow of the host was completed
    STORAGE = "storage"  # files came into the config container
    MANUAL = "manual"  # somebody applied files, or asked for a sync


class FileResult(StrEnum):
    """What became of one declared file."""

    CREATED = "created"  # it declared something new, which exists now
    UPDATED = "updated"  # what it declares was there and is as declared now
    UNCHANGED = "unchanged"  # what it declares was so already; nothing was written
    REMOVED = "removed"  # the file is gone: what it declared was deleted
    ARCHIVED = "archived"  # the file is gone: the asset it declared is archived
    REFUSED = "refused"  # nothing of it was done, `reason` and `faults` say why
    IGNORED = "ignored"  # it declares nothing


def _time(value: Any) -> Any:
    """Times are texts in files and requests; pydantic would take a number for seconds."""
    if not isinstance(value, str | datetime):
        raise ValueError("a time is a text as RFC 3339 has it")
    return value


def _without_password(url: str) -> str:
    if "://" in url and ":" in url.partition("://")[2].partition("/")[0].rpartition("@")[0]:
        raise ValueError("the repository's URL holds a password: leave it out")
    return url


class Provenance(Document):
    """Where declared files come from."""

    source: str = Field(min_length=1, max_length=512)  # the repository, `config`, or the folder's name
    repository_url: Annotated[str, AfterValidator(_without_password)] | None = None  # never with a password
    ref: str | None = None  # branch, or refs/...
    commit: str | None = None  # full commit id
    folder: str = ""  # folder of the repository that the paths are relative to; "" is its root
    is_dirty: StrictBool | None = None  # whether a working copy had changes that were not committed; None: not known
    build_id: str | None = None  # of the CI build that applied them
    build_uri: str | None = None  # page of that build
    author: str | None = None  # of the commit
    committed_at: Annotated[datetime, BeforeValidator(_time)] | None = None  # when the commit was made

    @property
    def branch(self) -> str | None:
        """The name of the branch; None for files that are not from one."""
        return (self.ref or "").removeprefix("refs/heads/") or None

    def properties(self, file: str, line: int) -> dict[str, str]:
        """What a resource declared at this place keeps: Azure ML's names of both generations (azureml-core's git
        properties, MLflow's system tags), and the file and the line."""
        dirty = None if self.is_dirty is None else str(self.is_dirty)
        found = {
            "mlflow.source.git.repoURL": self.repository_url,
            "mlflow.source.git.branch": self.branch,
            "mlflow.source.git.commit": self.commit,
            "azureml.git.repository_uri": self.repository_url,
            BRANCH: self.branch,
            "azureml.git.commit": self.commit,
            "azureml.git.dirty": dirty,
            "azureml.git.build_id": self.build_id,
            "azureml.git.build_uri": self.build_uri,
            SOURCE: self.source,
            SOURCE_FILE: f"{self.folder}/{file}" if self.folder else file,
            SOURCE_LINE: str(line),
        }
        return {name: value for name, value in found.items() if value}


class Change(Document):
    """One place where what is declared differs from what was so."""

    pointer: str  # JSON pointer into the spec (RFC 6901)
    before: Any = None  # None: it was not there
    after: Any = None  # None: it is not there any more


class FileOutcome(Document):
    """What became of one declared file, or of what a file declared that is gone."""

    path: str  # relative to the tree that was applied; of a repository relative to its root
    line: int | None = None  # where the declaration begins, 1-based
    kind: str | None = None  # the kind it declares; None when it could not be told
    name: str | None = None  # the resource's name
    version: str | None = None  # the asset's version; None for kinds without versions, and where it is not known yet
    result: FileResult
    reason: str = ""  # why, in a sentence; "" where the result says it all
    changes: list[Change] = Field(default_factory=list)  # where the spec was changed, or would have to be
    faults: list[dict[str, Any]] = Field(default_factory=list)  # what is wrong with it (shared.errors.Fault)

    def below(self, folder: str) -> FileOutcome:
        """The outcome with its paths from the repository's root, where its tree is the folder of one ("": the root)."""
        if not folder:
            return self
        faults = [
            {**fault, "file": f"{folder}/{fault['file']}"} if fault.get("file") else fault for fault in self.faults
        ]
        return self.model_copy(update={"path": f"{folder}/{self.path}", "faults": faults})


class SyncSpec(Document):
    """What is to be made so."""

    repository: str  # name of a configured repository; `config`, or what an applied folder is called
    trigger: Trigger
    ref: str | None = None  # refs/heads/... or refs/tags/...; None for files that are not from git
    commit: str | None = None  # the commit to apply; None: the ref is gone, or files that are not from git
    before: str | None = None  # the commit that the host says the ref was at before
    delivery_id: str | None = None  # the host's id of the delivery that told it
    pull_request: int | None = None  # its number
    dry_run: bool = False  # only say what would be done
    prune: bool = False  # a file that is gone takes along what it declared
    sender: str | None = None  # who pushed, as the host says
    pushed_at: datetime | None = None  # when the delivery came in
    provenance: Provenance | None = None  # where applied files come from; None until a commit is fetched


class SyncStatus(Status):
    """What is so of a sync."""

    phase: str = SyncPhase.PENDING
    commit: str | None = None  # the commit that was applied, once it is known
    counts: dict[str, int] = Field(default_factory=dict)  # result -> number of files, exact
    files: list[FileOutcome] = Field(default_factory=list)  # by result, then path; as many as fit (MAX_FILES_BYTES)
    files_left_out: int = 0  # how many more there were
    superseded_by: str | None = None  # the commit that is applied in its place
    reported: str | None = None  # what the host was told of the commit last; None when nothing was reported
    started_at: datetime | None = None  # when applying began
    finished_at: datetime | None = None  # when it came to its end


class RefSpec(Document):
    """A branch that is followed."""

    repository: str  # name of the configured repository
    ref: str  # refs/heads/...


class RefStatus(Status):
    """What is so of it."""

    commit: str | None = None  # the commit that was applied last
    sync_id: str | None = None  # the sync that applied it


_ORDER = {
    result: place
    for place, result in enumerate(
        (
            FileResult.REFUSED,
            FileResult.REMOVED,
            FileResult.ARCHIVED,
            FileResult.CREATED,
            FileResult.UPDATED,
            FileResult.UNCHANGED,
            FileResult.IGNORED,
        )
    )
}


def counted(outcomes: Iterable[FileOutcome]) -> dict[str, int]:
    """How many files had each result; results that no file had are left out."""
    return dict(sorted(Counter(str(outcome.result) for outcome in outcomes).items()))


def bounded(outcomes: Iterable[FileOutcome], max_bytes: int = MAX_FILES_BYTES) -> tuple[list[FileOutcome], int]:
    """As many outcomes as fit in `max_bytes` of JSON, the refused first, with shortened texts; and how many do not."""
    ordered = sorted(outcomes, key=lambda one: (_ORDER[one.result], one.path, one.name or "", one.version or ""))
    kept: list[FileOutcome] = []
    size = 0
    for outcome in ordered:
        short = _shortened(outcome)
        size += len(short.model_dump_json())
        if size > max_bytes:
            break
        kept.append(short)
    return kept, len(ordered) - len(kept)


def _shortened(outcome: FileOutcome) -> FileOutcome:
    faults = [
        {key: _cut(value) if isinstance(value, str) else value for key, value in fault.items()}
        for fault in outcome.faults[:MAX_FAULTS]
    ]
    if len(outcome.faults) > MAX_FAULTS:
        faults.append({"message": f"and {len(outcome.faults) - MAX_FAULTS} more faults", "file": outcome.path})
    changes = [_short_change(change) for change in outcome.changes[:MAX_CHANGES]]
    return outcome.model_copy(update={"reason": _cut(outcome.reason), "faults": faults, "changes": changes})


def _short_change(change: Change) -> Change:
    """The change, with long values as the beginning of their JSON."""
    values = {"before": change.before, "after": change.after}
    texts = {key: json.dumps(value) for key, value in values.items()}
    long = {key: _cut(text) for key, text in texts.items() if len(text) > MAX_TEXT}
    return change.model_copy(update={"pointer": _cut(change.pointer), **long})


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 3] + "..."


def phase_of(outcomes: Iterable[FileOutcome]) -> SyncPhase:
    """The phase that a sync with these outcomes ends in: Succeeded also when there was nothing to do."""
    results = {outcome.result for outcome in outcomes} - {FileResult.IGNORED}
    if FileResult.REFUSED not in results:
        return SyncPhase.SUCCEEDED
    return SyncPhase.FAILED if results == {FileResult.REFUSED} else SyncPhase.PARTIALLY_SUCCEEDED


def sync_id(*parts: str | None) -> str:
    """The id of the sync that these parts name (repository, ref, commit, trigger...): the same each time."""
    return "s-" + hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]
