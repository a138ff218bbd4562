"""The documents of the REST API: what is sent and what is answered. The OpenAPI document is made of these."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, model_validator

from shared.errors import Fault, Invalid
from shared.ports import Subscription
from shared.resources.base import NAME_PATTERN, Condition, Document, HistoryRecord, Resource
from shared.resources.inspection import ModelInspection
from shared.resources.model import (
    ModelFacts,
    ModelFile,
    ModelHeadStatus,
    Origin,
    TextMap,
)
from shared.resources.upload import UPLOAD_ID_PATTERN, UploadPhase, UploadSpec, UploadStatus

MAX_FILES = 2000
PathText = Annotated[str, Field(min_length=1, max_length=1024)]


class UploadFile(Document):
    """A file that will be sent."""

    path: PathText = Field(description="relative to the manifest, '/' between the parts")
    size_bytes: int | None = Field(default=None, ge=0, le=2**53, strict=True, description="its length, if known")


class UploadSessionRequest(Document):
    """Ask for URLs to send files to."""

    files: list[UploadFile] = Field(min_length=1, max_length=MAX_FILES)
    upload_id: str | None = Field(
        default=None,
        pattern=r"^c-[a-z0-9-]{6,62}$",
        description="the upload's id, so that doing it again finds it done",
    )


class UploadTarget(Document):
    """Where one file goes."""

    path: str
    url: str = Field(description="send the file here; a path is relative to this server; needs no key")
    method: Literal["PUT"] = "PUT"
    headers: dict[str, str] = Field(description="headers that must be sent with it")


class UploadSession(Document):
    """URLs for an upload."""

    upload_id: str
    files: list[UploadTarget]
    expires_at: datetime | None


class RegisterRequest(Document):
    """Register what was uploaded. Exactly one of manifest and model."""

    upload_id: str = Field(pattern=UPLOAD_ID_PATTERN)
    manifest: str | None = Field(default=None, max_length=1024 * 1024, description="text of a model.yml")
    manifest_file: str = Field(
        default="model.yml", pattern=r"^[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,254}$", description="its name, for messages"
    )
    model: dict[str, Any] | None = Field(
        default=None, description="the declaration as JSON (schemas/model.schema.json)"
    )
    files: list[PathText] | None = Field(default=None, max_length=MAX_FILES, description="wait for exactly these files")
    name: str | None = Field(default=None, pattern=NAME_PATTERN, description="wins over the manifest's")
    description: str | None = Field(default=None, max_length=65536, description="wins over the manifest's")
    tags: TextMap | None = Field(default=None, description="win over the manifest's")
    declared: dict[str, Any] = Field(
        default_factory=dict, max_length=32, description="any other fields of the declaration that win; not its path"
    )
    origin: Origin | None = Field(default=None, description="where it was before: another Slipway, an MLflow registry")

    @model_validator(mode="after")
    def _one_declaration(self) -> RegisterRequest:
        if (self.manifest is None) == (self.model is None):
            raise ValueError("exactly one of `manifest` and `model` must be given")
        return self

    def overrides(self) -> dict[str, Any]:
        """The fields that win over the manifest's. Raises Invalid for a path: it names the files that were sent."""
        if "path" in self.declared:
            raise Invalid("`declared` may hold no path", faults=(Fault("not accepted", "/declared/path"),))
        given = {"name": self.name, "description": self.description, "tags": self.tags}
        return {**self.declared, **{key: value for key, value in given.items() if value is not None}}


_SPEC_FIELDS = (*ModelFacts.model_fields, "path", "files", "parent_model_id", "origin", "upload_id")
_VERSION_STATUS: dict[str, Any] = {"labels": [], "archived": False, "phase": "", "conditions": []}  # what is left out


class ModelVersion(ModelFacts):
    """A registered version of a model."""

    id: str = Field(description="name:version")
    name: str
    version: str
    description: str | None
    tags: dict[str, str]
    properties: dict[str, str]
    labels: list[str] = Field(description="labels that name this version; `latest` is not among them")
    archived: bool
    phase: str = Field(description="Registered, Ready (its files were looked into) or Deleting")
    path: str
    files: list[ModelFile]
    size_bytes: int
    parent_model_id: str | None
    origin: Origin | None
    inspection: ModelInspection | None = Field(description="what was found in its files; null before that")
    conditions: list[Condition]
    upload_id: str
    created_at: datetime
    created_by: str
    modified_at: datetime
    modified_by: str

    @classmethod
    def of(cls, resource: Resource) -> ModelVersion:
        """The answer for a stored version."""
        spec, status = resource.spec, resource.status
        # Validated once, as this document: by way of ModelSpec and ModelVersionStatus it takes twice as long.
        return cls.model_validate(
            {
                **dict.fromkeys(("parent_model_id", "origin", "inspection")),
                **_VERSION_STATUS,
                **{name: spec[name] for name in _SPEC_FIELDS if name in spec},
                **{name: status[name] for name in (*_VERSION_STATUS, "inspection") if name in status},
                **_common(resource),
                "id": f"{resource.name}:{resource.version}",
                "version": str(resource.version),
                "size_bytes": sum(file["size_bytes"] for file in spec["files"]),
            }
        )


class ModelSummary(Document):
    """A model, described by its newest version."""

    name: str
    latest_version: str = Field(description="the newest that is not archived; empty when there is none")
    labels: dict[str, str] = Field(description="label -> version")
    archived: bool
    description: str | None
    tags: dict[str, str]
    created_at: datetime
    modified_at: datetime

    @classmethod
    def of(cls, head: Resource) -> ModelSummary:
        """The answer for a stored head."""
        status = ModelHeadStatus.model_validate(head.status)
        names = ("name", "description", "tags", "created_at", "modified_at")
        return cls(
            latest_version=status.latest_version,
            labels=status.labels,
            archived=status.archived,
            **{name: getattr(head, name) for name in names},
        )


class LabelRequest(Document):
    """Let a label name a version."""

    version: str = Field(min_length=1, max_length=65, description="the version, `latest`, or `@LABEL`")
    expected_version: str | None = Field(
        default=None, max_length=30, description="the version that must have it now; empty: none may; null: whichever"
    )


class Upload(Document):
    """How far an upload is."""

    upload_id: str
    container: str
    directory: str
    manifest_file: str
    phase: UploadPhase
    model_id: str | None = Field(description="name:version it became")
    missing: list[str] = Field(description="files it waits for")
    faults: list[dict[str, Any]] = Field(description="what is wrong with the manifest")
    conditions: list[Condition]
    deadline: datetime
    created_at: datetime
    created_by: str

    @classmethod
    def of(cls, resource: Resource) -> Upload:
        """The answer for a stored upload."""
        spec, status = UploadSpec.model_validate(resource.spec), UploadStatus.model_validate(resource.status)
        done = status.model_version is not None
        return cls(
            upload_id=resource.name,
            container=spec.container,
            directory=spec.directory,
            manifest_file=spec.manifest_file,
            phase=UploadPhase(status.phase),
            model_id=f"{status.model_name}:{status.model_version}" if done else None,
            missing=status.missing,
            faults=status.faults,
            conditions=status.conditions,
            deadline=spec.deadline,
            created_at=resource.created_at,
            created_by=resource.created_by,
        )


class EventDocument(Document):
    """A published event, in the Event Grid schema."""

    id: str
    topic: str
    subject: str
    eventType: str
    eventTime: datetime
    data: dict[str, Any]
    dataVersion: str
    metadataVersion: str


class SubscriptionRequest(Document):
    """A subscription to Slipway's events; fields as in Azure's event subscriptions."""

    endpoint_url: str = Field(min_length=1, max_length=2048)
    included_event_types: list[str] = Field(default_factory=list, max_length=100)
    subject_begins_with: str = Field(default="", max_length=512)
    subject_ends_with: str = Field(default="", max_length=512)
    is_subject_case_sensitive: StrictBool = False
    advanced_filters: list[dict[str, Any]] = Field(default_factory=list, max_length=25)
    event_delivery_schema: Literal["EventGridSchema", "CloudEventSchemaV1_0"] = "EventGridSchema"
    max_delivery_attempts: int = Field(default=30, ge=1, le=30, strict=True)
    event_time_to_live_min: int = Field(default=1440, ge=1, le=1440, strict=True)
    signing_secret: str | None = Field(
        default=None, max_length=512, description="`whsec_...`: sign deliveries; null: stop that"
    )

    def new_secret(self) -> str | None:
        """The port's form: None keeps the present one, "" removes it."""
        return (self.signing_secret or "") if "signing_secret" in self.model_fields_set else None

    def subscription(self, name: str) -> Subscription:
        """The port's form, without the secret."""
        fields = self.model_dump(exclude={"signing_secret"})
        fields["included_event_types"] = tuple(self.included_event_types)
        fields["advanced_filters"] = tuple(self.advanced_filters)
        return Subscription(name=name, **fields)


class SubscriptionDocument(Document):
    """A subscription; never with its secret."""

    name: str
    endpoint_url: str = Field(description="without its query, which often holds a secret")
    included_event_types: list[str]
    subject_begins_with: str
    subject_ends_with: str
    is_subject_case_sensitive: bool
    advanced_filters: list[dict[str, Any]]
    event_delivery_schema: str
    max_delivery_attempts: int
    event_time_to_live_min: int
    state: str = Field(description="Succeeded, AwaitingManualAction, Creating or Failed")
    state_reason: str


class Reconciling(Document):
    """A resource that will be looked at."""

    kind: str
    name: str
    phase: str


class Health(Document):
    """Whether the control plane can work."""

    status: Literal["Healthy", "Unhealthy"]
    version: str
    mode: str
    checks: dict[str, str] = Field(description="each dependency: ok, or what is wrong")


class Problem(Document):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    faults: list[dict[str, Any]]
    remedy: str | None = None


class PolicyText(Document):
    """A policy that is in force."""

    path: str
    text: str = Field(description="the JSON Schema, as it lies there")


class PolicyTestRequest(Document):
    """Try a policy."""

    policy: dict[str, Any] | StrictBool | None = Field(
        default=None, description="a JSON Schema; null: the one in force"
    )


class PolicyViolation(Document):
    """A version that a policy would refuse."""

    id: str = Field(description="name:version")
    faults: list[dict[str, Any]]


class PolicyTestPage(Document):
    """What a policy finds in a page of versions."""

    checked: int = Field(description="versions looked at")
    items: list[PolicyViolation]
    continuation: str | None


class AuditHead(Document):
    """What the history of a resource must end with."""

    key: str = Field(description="KIND/NAME or KIND/NAME:VERSION")
    revision: int
    hash: str


class AuditHeadPage(Document):
    items: list[AuditHead]
    continuation: str | None


class CollectionRequest(Document):
    """Collect garbage."""

    dry_run: StrictBool = Field(default=False, description="only count what would be deleted")


class CollectionDone(Document):
    """What a garbage collection did."""

    dry_run: bool
    kept: int = Field(description="files that something refers to")
    young: int = Field(description="files that nothing refers to, not old enough")
    collected: int = Field(description="files that were deleted")
    collected_bytes: int


class ModelPage(Document):
    items: list[ModelSummary]
    continuation: str | None


class ModelVersionPage(Document):
    items: list[ModelVersion]
    continuation: str | None


class UploadPage(Document):
    items: list[Upload]
    continuation: str | None


class EventPage(Document):
    items: list[EventDocument]
    continuation: str | None


class HistoryPage(Document):
    items: list[HistoryRecord]
    continuation: str | None


class SubscriptionPage(Document):
    items: list[SubscriptionDocument]


def _common(resource: Resource) -> dict[str, Any]:
    names = ("name", "description", "tags", "properties", "created_at", "created_by", "modified_at", "modified_by")
    return {name: getattr(resource, name) for name in names}
