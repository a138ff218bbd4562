"""The protocols between the control plane and the world: 1-5 methods each, two adapters each, one contract suite each.

Everything raises shared.errors only: `Retryable` when the service can't answer now, `Permanent` (or a subclass) when it
never will, `Conflict` when a condition failed. No adapter lets an SDK's or a driver's exception through.
"""

from __future__ import annotations

from shared.ports.artifacts import (
    Artifact,
    ArtifactInventory,
    ArtifactStore,
    BlobInfo,
    Container,
    SignedUrl,
    StoredArtifact,
    UploadArea,
)
from shared.ports.clock import Clock
from shared.ports.collected import CollectedSource
from shared.ports.credentials import EndpointCredentialStore
from shared.ports.deployments import (
    Autoscale,
    ContainerDesired,
    DeploymentTarget,
    DesiredDeployment,
    DesiredEndpoint,
    EndpointAccess,
    ObservedDeployment,
    ObservedEndpoint,
    ProbeTiming,
)
from shared.ports.environments import BuildProgress, BuildRequest, EnvironmentBuilder
from shared.ports.git import CommitReporter, CommitState, GitRemote, LargeFile, Snapshot
from shared.ports.images import ImageBuilder, ImageDigests, ImageRequest
from shared.ports.jobs import JobLimits, JobPhase, JobProgress, JobReason, JobRunner, JobSpec, JobStep, SecretReference
from shared.ports.messaging import EventPublisher, EventSubscriptions, ReceivedMessage, Subscription, WorkQueue
from shared.ports.monitoring import (
    AssetData,
    ComponentRun,
    DataProfileProgress,
    DataProfileRequest,
    KeepFile,
    MonitorProgress,
    MonitorRunner,
    MonitorRunRequest,
    ReadFile,
    StoredProfile,
    WindowSketchProgress,
    WindowSketchRequest,
)
from shared.ports.notifying import Notifier
from shared.ports.optimization import ModelOptimizer, OptimizationProgress, OptimizationRequest
from shared.ports.planning import DeploymentPlan, DeploymentPlanner, FieldChange, ObjectChange
from shared.ports.profiling import ModelProfiler, ProfileProgress, ProfileRequest
from shared.ports.sources import ModelSource, SourceObject
from shared.ports.store import ANY_KIND, Commit, Outbox, Page, RecordQuery, ResourceQuery, ResourceStore, Write, every
from shared.ports.work_message import WorkMessage, wake

__all__ = [
    "ANY_KIND",
    "Artifact",
    "ArtifactInventory",
    "ArtifactStore",
    "AssetData",
    "Autoscale",
    "BlobInfo",
    "BuildProgress",
    "BuildRequest",
    "Clock",
    "CollectedSource",
    "Commit",
    "CommitReporter",
    "CommitState",
    "ComponentRun",
    "Container",
    "ContainerDesired",
    "DataProfileProgress",
    "DataProfileRequest",
    "DeploymentPlan",
    "DeploymentPlanner",
    "DeploymentTarget",
    "DesiredDeployment",
    "DesiredEndpoint",
    "EndpointAccess",
    "EndpointCredentialStore",
    "EnvironmentBuilder",
    "EventPublisher",
    "EventSubscriptions",
    "FieldChange",
    "GitRemote",
    "ImageBuilder",
    "ImageDigests",
    "ImageRequest",
    "JobLimits",
    "JobPhase",
    "JobProgress",
    "JobReason",
    "JobRunner",
    "JobSpec",
    "JobStep",
    "KeepFile",
    "LargeFile",
    "ModelOptimizer",
    "ModelProfiler",
    "ModelSource",
    "MonitorProgress",
    "MonitorRunRequest",
    "MonitorRunner",
    "Notifier",
    "ObjectChange",
    "ObservedDeployment",
    "ObservedEndpoint",
    "OptimizationProgress",
    "OptimizationRequest",
    "Outbox",
    "Page",
    "ProbeTiming",
    "ProfileProgress",
    "ProfileRequest",
    "ReadFile",
    "ReceivedMessage",
    "RecordQuery",
    "ResourceQuery",
    "ResourceStore",
    "SecretReference",
    "SignedUrl",
    "Snapshot",
    "SourceObject",
    "StoredArtifact",
    "StoredProfile",
    "Subscription",
    "UploadArea",
    "WindowSketchProgress",
    "WindowSketchRequest",
    "WorkMessage",
    "WorkQueue",
    "Write",
    "every",
    "wake",
]
