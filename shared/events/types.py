"""What is published: event types and their payloads, camelCase.

Azure ML's own types have exactly its payloads (Azure Event Grid, "Azure Machine Learning as an Event Grid source");
whatever Azure ML has no event for is under `Slipway.`, never under Microsoft's names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MODEL_REGISTERED = "Microsoft.MachineLearningServices.ModelRegistered"
BLOB_CREATED = "Microsoft.Storage.BlobCreated"
IMAGE_PUSHED = "Microsoft.ContainerRegistry.ImagePushed"
MODEL_UPDATED = "Slipway.ModelUpdated"
MODEL_INSPECTED = "Slipway.ModelInspected"
MODEL_REFUSED = "Slipway.ModelRefused"
MODEL_LABEL_SET = "Slipway.ModelLabelSet"
MODEL_LABEL_REMOVED = "Slipway.ModelLabelRemoved"
MODEL_ARCHIVED = "Slipway.ModelArchived"
MODEL_RESTORED = "Slipway.ModelRestored"
MODEL_DELETED = "Slipway.ModelDeleted"
RUN_REGISTERED = "Slipway.RunRegistered"
ENVIRONMENT_REGISTERED = "Slipway.EnvironmentRegistered"
ENVIRONMENT_BUILT = "Slipway.EnvironmentBuilt"
ENVIRONMENT_BUILD_FAILED = "Slipway.EnvironmentBuildFailed"
ENVIRONMENT_BUILD_CANCELED = "Slipway.EnvironmentBuildCanceled"
DATA_PROFILED = "Slipway.DataProfiled"
DATA_PROFILE_FAILED = "Slipway.DataProfileFailed"
IMAGE_PACKAGED = "Slipway.ImagePackaged"
IMAGE_FAILED = "Slipway.ImageFailed"
MODEL_DEPLOYED = "Microsoft.MachineLearningServices.ModelDeployed"
DEPLOYMENT_FAILED = "Slipway.DeploymentFailed"
ENDPOINT_KEY_REGENERATED = "Slipway.EndpointKeyRegenerated"
TRAFFIC_SHIFTED = "Slipway.TrafficShifted"
ROLLOUT_PROMOTED = "Slipway.RolloutPromoted"
ROLLOUT_ROLLED_BACK = "Slipway.RolloutRolledBack"
MODEL_OPTIMIZED = "Slipway.ModelOptimized"
MODEL_NOT_OPTIMIZED = "Slipway.ModelNotOptimized"
MODEL_PROFILED = "Slipway.ModelProfiled"
MODEL_PROFILE_FAILED = "Slipway.ModelProfileFailed"
DATASET_DRIFT_DETECTED = "Microsoft.MachineLearningServices.DatasetDriftDetected"
RUN_STATUS_CHANGED = "Microsoft.MachineLearningServices.RunStatusChanged"
UPLOAD_REGISTERED = "Slipway.UploadRegistered"
UPLOAD_WAITING = "Slipway.UploadWaiting"
UPLOAD_FAILED = "Slipway.UploadFailed"
UPLOAD_SUPERSEDED = "Slipway.UploadSuperseded"
RESOURCE_DECLARED = "Slipway.ResourceDeclared"
RESOURCE_UPDATED = "Slipway.ResourceUpdated"
RESOURCE_ARCHIVED = "Slipway.ResourceArchived"
RESOURCE_DELETED = "Slipway.ResourceDeleted"
SYNC_SUCCEEDED = "Slipway.SyncSucceeded"
SYNC_PARTIALLY_SUCCEEDED = "Slipway.SyncPartiallySucceeded"
SYNC_FAILED = "Slipway.SyncFailed"
SYNC_SUPERSEDED = "Slipway.SyncSuperseded"
RECONCILE_FAILED = "Slipway.ReconcileFailed"

# Everything Slipway publishes, with one line each for the documentation and `slipway event --help`.
PUBLISHED: dict[str, str] = {
    MODEL_REGISTERED: "a model version was registered",
    MODEL_UPDATED: "tags, description or properties of a model version were changed",
    MODEL_INSPECTED: "the files of a model version were looked into: ONNX graphs, pickles, MLmodel",
    MODEL_REFUSED: "a model was refused by a policy",
    MODEL_LABEL_SET: "a label names another version than before",
    MODEL_LABEL_REMOVED: "a label was taken away",
    MODEL_ARCHIVED: "a model or a version was archived",
    MODEL_RESTORED: "a model or a version was restored from the archive",
    MODEL_DELETED: "a model version was deleted",
    RUN_REGISTERED: "a run was registered, or registered again with changes",
    ENVIRONMENT_REGISTERED: "a version of an environment was registered",
    ENVIRONMENT_BUILT: "a version of an environment can be used",
    ENVIRONMENT_BUILD_FAILED: "a version of an environment could not be locked or built",
    ENVIRONMENT_BUILD_CANCELED: "the build of an environment was canceled",
    DATA_PROFILED: "a version of a data asset has a profile and a baseline sketch",
    DATA_PROFILE_FAILED: "the files of a version of a data asset could not be copied, or its rows not be read",
    IMAGE_PACKAGED: "a model was packaged as an image",
    IMAGE_FAILED: "a model could not be packaged as an image, or that was canceled",
    MODEL_DEPLOYED: "a deployment is ready as it was declared",
    DEPLOYMENT_FAILED: "a deployment cannot be run, or its processes end again and again",
    ENDPOINT_KEY_REGENERATED: "a key of an endpoint was made anew",
    TRAFFIC_SHIFTED: "a step of a rollout has its traffic, or somebody changed an endpoint's",
    ROLLOUT_PROMOTED: "a rollout ended with its candidate",
    ROLLOUT_ROLLED_BACK: "a rollout gave the traffic back to the stable deployment",
    MODEL_OPTIMIZED: "a verified, faster ONNX variant of a model version was registered",
    MODEL_NOT_OPTIMIZED: "an optimisation ended without a variant that is verified and faster",
    MODEL_PROFILED: "a profile recommends CPU and memory for a model version",
    MODEL_PROFILE_FAILED: "a profile ended without a recommendation",
    DATASET_DRIFT_DETECTED: "a monitor found that the data of a deployment have moved",
    RUN_STATUS_CHANGED: "a run of a monitor ended with signals beyond their thresholds; its tag says which",
    UPLOAD_WAITING: "a manifest arrived before its files",
    UPLOAD_REGISTERED: "an upload became a model version",
    UPLOAD_FAILED: "an upload was refused, or its files did not come in time",
    UPLOAD_SUPERSEDED: "a waiting manifest was replaced or removed",
    RESOURCE_DECLARED: "a file declared something new: a resource, or a version of an asset",
    RESOURCE_UPDATED: "a resource was changed to what a file declares now",
    RESOURCE_ARCHIVED: "an asset was archived, because its file is gone",
    RESOURCE_DELETED: "a declared resource was deleted",
    SYNC_SUCCEEDED: "every declared file of a sync is so",
    SYNC_PARTIALLY_SUCCEEDED: "some declared files of a sync were refused, all others are so",
    SYNC_FAILED: "a sync changed nothing: its commit could not be fetched, or every file was refused",
    SYNC_SUPERSEDED: "a newer commit is applied in place of a sync's",
    RECONCILE_FAILED: "a resource could not be brought to its declared state; it waits for a re-drive",
}


@dataclass(frozen=True, slots=True)
class EventDraft:
    """An event without id, time and topic: the commit gives it those."""

    type: str
    subject: str
    data: Mapping[str, Any] = field(default_factory=dict)


def event_version(version: str) -> int | str:
    """A version in an event: an integer, as in Azure ML's swagger; a string version as it is."""
    return int(version) if version.isdecimal() else version


def model_event(type_: str, name: str, version: str, **data: Any) -> EventDraft:
    """An event about one version."""
    payload = {"modelName": name, "modelVersion": event_version(version), **data}
    return EventDraft(type_, f"models/{name}:{version}", payload)


def model_registered(name: str, version: str, tags: Mapping[str, str], properties: Mapping[str, str]) -> EventDraft:
    """Azure ML's ModelRegistered."""
    return model_event(MODEL_REGISTERED, name, version, modelTags=dict(tags), modelProperties=dict(properties))


def environment_event(type_: str, name: str, version: str, **data: Any) -> EventDraft:
    """An event about one version of an environment."""
    payload = {"environmentName": name, "environmentVersion": event_version(version), **data}
    return EventDraft(type_, f"environments/{name}:{version}", payload)


def data_event(type_: str, name: str, version: str, **data: Any) -> EventDraft:
    """An event about one version of a data asset."""
    return EventDraft(
        type_, f"data/{name}:{version}", {"dataName": name, "dataVersion": event_version(version), **data}
    )


def deployment_event(
    type_: str, endpoint: str, deployment: str, model: str, tags: Mapping[str, str], why: str
) -> EventDraft:
    """Azure ML's ModelDeployed, whose service is the endpoint; other types say why besides."""
    payload: dict[str, Any] = {
        "serviceName": endpoint,
        "serviceComputeType": "LOCAL",
        "modelIds": model,
        "serviceTags": dict(tags),
        "serviceProperties": {"deployment": deployment},
    }
    more = {} if type_ == MODEL_DEPLOYED else {"reason": why[:2000]}
    return EventDraft(type_, f"endpoints/{endpoint}", {**payload, **more})


def endpoint_event(type_: str, endpoint: str, **data: Any) -> EventDraft:
    """An event about an endpoint."""
    return EventDraft(type_, f"endpoints/{endpoint}", {"endpointName": endpoint, **data})


def run_registered(run_id: str, experiment_name: str | None, status: str, tags: Mapping[str, str]) -> EventDraft:
    """A run and what is so of it now."""
    payload = {"runId": run_id, "experimentName": experiment_name, "status": status, "runTags": dict(tags)}
    return EventDraft(RUN_REGISTERED, f"runs/{run_id}", payload)


def resource_event(type_: str, kind: str, name: str, version: str | None, **data: Any) -> EventDraft:
    """An event about a declared resource."""
    subject = f"{kind}/{name}:{version}" if version else f"{kind}/{name}"
    return EventDraft(type_, subject, {"kind": kind, "name": name, "version": version, **data})


def declared_event(
    type_: str, kind: str, name: str, version: str | None, generation: int, properties: Mapping[str, str]
) -> EventDraft:
    """That a file declared or changed a resource; `properties` say which file."""
    place = {
        "source": properties.get("slipway.source"),
        "file": properties.get("slipway.source.file"),
        "line": int(properties.get("slipway.source.line") or 1),
        "commit": properties.get("mlflow.source.git.commit"),
    }
    return resource_event(type_, kind, name, version, generation=generation, **place)


def sync_event(type_: str, sync_id: str, **data: Any) -> EventDraft:
    """An event about a sync."""
    return EventDraft(type_, f"syncs/{sync_id}", {"syncId": sync_id, **data})


def with_pascal_case(draft: EventDraft) -> EventDraft:
    """An Azure ML event whose payload has each key a second time in PascalCase (articles and old filters use that)."""
    if not draft.type.startswith("Microsoft.MachineLearningServices."):
        return draft
    pascal = {key[:1].upper() + key[1:]: value for key, value in draft.data.items()}
    return EventDraft(draft.type, draft.subject, {**draft.data, **pascal})
