"""The protocols between the control plane and the world: 1-5 methods each, two adapters each, one contract suite each.

Everything raises shared.errors only: `Retryable` when the service can't answer now, `Permanent` (or a subclass) when it
never will, `Conflict` when a condition failed. No adapter lets an SDK's or a driver's exception through.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal, Protocol, TypeVar

from shared.errors import Invalid, NotFound
from shared.resources.base import HistoryRecord, Resource, ResourceKey
from shared.resources.events import Event, RecordedEvent

T = TypeVar("T")


# --- ResourceStore -------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Write:
    """One resource in a commit. `resource.etag` None: it must not exist yet; else: it must still have that ETag."""

    resource: Resource  # the state after the commit; the store only sets its etag
    history: HistoryRecord | None = None  # appended in the same transaction; None only for leases, which no one audits
    delete: bool = False  # the document goes; the history record and the events stay


@dataclass(frozen=True, slots=True)
class Commit:
    """Resources of one partition, their history and their events: all of it or nothing. 1 to 30 writes."""

    writes: tuple[Write, ...]
    events: tuple[RecordedEvent, ...] = ()

    @property
    def partition(self) -> str:
        """The one partition; ValueError when the writes are of several, or there is none."""
        partitions = {write.resource.key.partition for write in self.writes}
        if len(partitions) != 1:
            raise ValueError(f"a commit holds one partition, this one holds {sorted(partitions)}")
        return partitions.pop()


@dataclass(frozen=True, slots=True)
class ResourceQuery:
    """Which resources to list. All given conditions must hold."""

    kind: str  # ANY_KIND: of all kinds, heads and versions; then neither name nor times may be given
    name: str | None = None  # only this name: one partition
    versions: Literal["heads", "versions"] = "heads"  # documents without a version, or the versions
    terms: tuple[str, ...] = ()  # only those with all of these (shared.resources.search); at most 10
    created_from: datetime | None = None  # not created before this
    created_before: datetime | None = None  # created before this
    sort: Literal["name", "created"] = "name"  # by name and version, or by time of creation
    unfinished_before: datetime | None = None  # only unfinished ones whose look_again_at is not after this
    after: str | None = None  # continue after the page that gave this continuation
    limit: int = 100  # 1..1000
    descending: bool = False  # newest version or time first (versions order as numbers), or names from z to a


ANY_KIND = "*"


@dataclass(frozen=True, slots=True)
class RecordQuery:
    """Which events or history records to list, in the order of (time, id)."""

    partition: str | None = None  # only of this partition; None: of all
    key: str | None = None  # only of this resource (str(ResourceKey))
    types: tuple[str, ...] = ()  # events only: these types; () is all
    subject_prefix: str = ""  # events only
    since: datetime | None = None  # not before this time
    after: str | None = None
    limit: int = 100  # 1..1000


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a listing. `continuation` is None on the last page."""

    items: tuple[T, ...]
    continuation: str | None = None


class ResourceStore(Protocol):
    """Resources, their history and their outbox. SQLite, Cosmos DB."""

    async def read(self, key: ResourceKey) -> Resource | None:
        """The resource with its etag, or None."""
        ...

    async def commit(self, commit: Commit) -> tuple[str, ...]:
        """Write all of it in one transaction; the new ETags, one a write. Raises Conflict and leaves nothing behind
        when a condition failed (also when an event id or a history record exists already)."""
        ...

    async def list_resources(self, query: ResourceQuery) -> Page[Resource]:
        """A page of resources; empty when none match. Raises Invalid for a continuation it did not make."""
        ...

    async def list_events(self, query: RecordQuery) -> Page[RecordedEvent]:
        """A page of the event log, oldest first; acknowledged or not."""
        ...

    async def list_history(self, query: RecordQuery) -> Page[HistoryRecord]:
        """A page of the history, oldest first. `types` and `subject_prefix` must be empty (Invalid)."""
        ...


class Outbox(Protocol):
    """Which events are still owed. The adapters of ResourceStore implement it too."""

    async def unacknowledged(self, *, before: datetime, limit: int) -> tuple[RecordedEvent, ...]:
        """Events whose time is before `before` and that were never acknowledged, oldest first; at most `limit`."""
        ...

    async def acknowledge(self, events: Sequence[RecordedEvent], at: datetime) -> None:
        """Note that these were published. Doing it again does nothing."""
        ...


# --- ArtifactStore and UploadArea ----------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class BlobInfo:
    """A blob in the upload area."""

    path: str  # "/"-separated, relative to its container, no leading slash
    etag: str  # changes whenever the blob is written
    size_bytes: int
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class Artifact:
    """Stored bytes, named by what they are."""

    sha256: str  # lower-case hex
    size_bytes: int


@dataclass(frozen=True, slots=True)
class SignedUrl:
    """Where a client may PUT or GET bytes by itself, for a while, with no other credential."""

    url: str  # a path ("/blobs/...") means: on the server that answered
    method: Literal["PUT", "GET"]
    headers: dict[str, str] = field(default_factory=dict)  # must be sent
    expires_at: datetime | None = None


# `uploads`: people drop files here; `staging`: only signed URLs write here; `policies`: a team's rules.
Container = Literal["uploads", "staging", "policies"]


class UploadArea(Protocol):
    """Where files arrive before they are registered. Folders, Blob containers. Paths are checked (no '..')."""

    async def list_blobs(self, container: Container, prefix: str) -> tuple[BlobInfo, ...]:
        """All complete blobs whose path starts with `prefix`, sorted by path."""
        ...

    async def read_blob(self, container: Container, path: str, *, max_bytes: int) -> tuple[BlobInfo, bytes]:
        """A small blob whole. Raises NotFound, or TooLarge above max_bytes."""
        ...

    async def delete_blob(self, container: Container, path: str, *, etag: str) -> None:
        """Delete exactly this state; nothing happens when it is gone or was replaced."""
        ...

    async def upload_url(self, container: Container, path: str, *, expires_in_s: float) -> SignedUrl:
        """A URL that takes one PUT of the blob (Azure's Put Blob request, x-ms-blob-type: BlockBlob)."""
        ...


class ArtifactStore(Protocol):
    """Content-addressed, immutable bytes: sha256 -> content. A folder, a Blob container."""

    async def put(self, chunks: AsyncIterator[bytes]) -> Artifact:
        """Store the stream; storing the same bytes again changes nothing. A broken stream leaves nothing visible."""
        ...

    async def adopt(self, container: Container, blob: BlobInfo) -> Artifact:
        """Store the content of an upload without sending it through the caller. Raises NotFound when it is gone,
        Conflict when it was replaced (another etag)."""
        ...

    def read(self, sha256: str, *, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """Its bytes. A whole read is verified: ArtifactCorrupted instead of the last chunk. Else NotFound."""
        ...

    async def download_url(self, sha256: str, *, filename: str, expires_in_s: float) -> SignedUrl:
        """A URL for one GET (ranges allowed) that offers the file under `filename`. Raises NotFound."""
        ...

    async def delete(self, sha256: str) -> None:
        """Forget it; nothing happens when it is not there."""
        ...


@dataclass(frozen=True, slots=True)
class StoredArtifact:
    """An artifact as it lies in the store."""

    sha256: str
    size_bytes: int
    renewed_at: datetime  # when it was last stored or adopted, also when that found it there already


class ArtifactInventory(Protocol):
    """What is in the ArtifactStore, for the garbage collection. Its adapters implement it too."""

    async def list_artifacts(self, *, after: str | None = None, limit: int = 1000) -> Page[StoredArtifact]:
        """A page of all artifacts, by digest."""
        ...

    async def delete_if_older(self, sha256: str, than: datetime) -> bool:
        """Delete it unless it was renewed at `than` or later, in one step: an adopt that comes at the same time either
        renews it or finds it gone and stores it again. Whether it was deleted."""
        ...


# --- ModelSource ---------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class SourceObject:
    """A file at a place that models are brought from."""

    path: str  # '/'-separated, relative to the URI; for a single object its file name
    size_bytes: int | None  # None when the source does not say
    version: str  # what pins this state: an ETag, an S3 version id; "" when there is none


class ModelSource(Protocol):
    """Files that a URI names elsewhere. https, S3, runs."""

    async def list(self, uri: str) -> tuple[SourceObject, ...]:
        """The objects of a URI, sorted: one for a file, all below a prefix. Raises NotFound, Invalid for a URI that is
        not accepted, Retryable."""
        ...

    def read(self, uri: str, item: SourceObject) -> AsyncIterator[bytes]:
        """Its bytes in that state. Raises Conflict when it changed, TooLarge, Retryable when it broke off."""
        ...


# --- WorkQueue -----------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message while it is invisible to others."""

    id: str
    body: str
    dequeue_count: int  # 1 at the first receipt
    inserted_at: datetime
    receipt: str  # proves that this receipt is the newest
    next_visible_at: datetime
    expires_at: datetime


class WorkQueue(Protocol):
    """One named queue with Storage Queue semantics: at least once, unordered. SQLite, azure-storage-queue."""

    async def send(self, body: str, *, delay_s: float = 0) -> str:
        """Queue a text of at most 48 KiB; visible after delay_s (at most 7 days); the message's id."""
        ...

    async def receive(self, *, max_messages: int, visibility_timeout_s: float) -> tuple[ReceivedMessage, ...]:
        """Up to max_messages (1..32) visible ones, hidden for visibility_timeout_s (>= 1); () when none are."""
        ...

    async def update(self, message: ReceivedMessage, *, visibility_timeout_s: float) -> ReceivedMessage:
        """Set when it is visible again (0: now) and get a new receipt. Raises Conflict for a stale receipt."""
        ...

    async def delete(self, message: ReceivedMessage) -> None:
        """Done. Raises Conflict for a stale receipt; nothing happens when it is gone."""
        ...


# --- Events --------------------------------------------------------------------------------------------------------
class EventPublisher(Protocol):
    """Hands events to Event Grid. The local stand-in, azure-eventgrid."""

    async def publish(self, events: Sequence[Event]) -> None:
        """Return once the service has taken all of them; raise Retryable if it may take them later."""
        ...


@dataclass(frozen=True, slots=True)
class Subscription:
    """Who gets which events: the fields of Azure's Microsoft.EventGrid/eventSubscriptions, in snake case."""

    name: str  # 3..64 letters, digits and hyphens
    endpoint_url: str  # a webhook (http only to loopback)
    included_event_types: tuple[str, ...] = ()  # () is all
    subject_begins_with: str = ""
    subject_ends_with: str = ""
    is_subject_case_sensitive: bool = False
    advanced_filters: tuple[dict[str, Any], ...] = ()  # {"operatorType", "key", "value" | "values"}, all must hold
    event_delivery_schema: Literal["EventGridSchema", "CloudEventSchemaV1_0"] = "EventGridSchema"
    max_delivery_attempts: int = 30  # 1..30
    event_time_to_live_min: int = 1440  # 1..1440
    state: str = ""  # Azure's provisioningState: Succeeded, AwaitingManualAction, Failed, Creating
    state_reason: str = ""  # why, when it is not Succeeded


class EventSubscriptions(Protocol):
    """Subscriptions of other people's webhooks to Slipway's topic. The local stand-in, Azure's management API."""

    async def put(self, subscription: Subscription, *, signing_secret: str | None = None) -> Subscription:
        """Create or replace it: the endpoint's validation handshake is made first, and Invalid raised when it fails.
        With a signing secret (`whsec_...`) deliveries are signed by the Standard Webhooks specification, NotSupported
        where the service can't; None keeps the secret it has, "" removes it."""
        ...

    async def list(self) -> tuple[Subscription, ...]:
        """All, by name; never with a secret."""
        ...

    async def delete(self, name: str) -> None:
        """Stop delivering to it. Raises NotFound."""
        ...


class Clock(Protocol):
    """Time, so that tests can have their own."""

    def now(self) -> datetime:
        """The present, in UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


# --- GitRemote -----------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class LargeFile:
    """A file of a snapshot whose bytes were not read into memory."""

    oid: str  # git's id of the blob
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The files below the configured folders at one commit. Paths are relative to the repository's root, with `/`."""

    commit: str
    author_name: str
    author_email: str
    committed_at: datetime  # UTC
    subject: str  # first line of the message
    files: Mapping[str, bytes]
    large: Mapping[str, LargeFile]  # over the size limit: read with GitRemote.open_file
    skipped: Mapping[str, str]  # path -> why it was not read: a symlink, a submodule, a name that is not safe
    lfs_pointers: frozenset[str]  # paths in `files` that hold a Git LFS pointer in place of the content

    def exists(self, path: str) -> bool:
        """Whether there is a regular file, of any size, at `path`."""
        return path in self.files or path in self.large

    def read_text(self, path: str) -> str:
        """The file as UTF-8. Raises NotFound when it is not in `files`, Invalid when it is not UTF-8."""
        if path not in self.files:
            raise NotFound(f"{path} is not a file within the limits at commit {self.commit}")
        try:
            return self.files[path].decode()
        except UnicodeDecodeError as error:
            raise Invalid(f"{path} is not UTF-8") from error


class GitRemote(Protocol):
    """One repository and its configured folders. All raise Unauthorized, NotFound, Retryable; none names the token."""

    async def resolve(self, ref: str) -> str | None:
        """The commit id of a branch or tag (full ref name) now; None when it is gone."""
        ...

    async def snapshot(self, commit: str) -> Snapshot:
        """The files at `commit` (full id). Raises Invalid over a limit.

        A commit that the remote lacks is NotFound; Retryable where it only hangs up, as git http-backend does."""
        ...

    def open_file(self, commit: str, path: str) -> AsyncIterator[bytes]:
        """The bytes of one file in chunks. Raises NotFound at the first chunk."""
        ...

    async def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether `older` is `newer` or reachable from it. Raises Invalid when the history within limits can't tell."""
        ...


# --- CommitReporter ------------------------------------------------------------------------------------------------
CommitState = Literal["pending", "success", "failure", "error"]


class CommitReporter(Protocol):
    """Tells a git host how a commit fared. Both return False when nothing is configured to report with."""

    async def report(
        self, commit: str, state: CommitState, description: str, target_url: str, context: str = "slipway"
    ) -> bool:
        """Set the commit's status `context`; the description is cut to 140 characters."""
        ...

    async def comment(self, pull_request: int, text: str) -> bool:
        """Add a comment to a pull or merge request."""
        ...
