"""The table of kinds. A kind of resource is one module beside this file and one line here."""

from __future__ import annotations

from dataclasses import dataclass

from shared.errors import Invalid
from shared.resources import (
    build,
    collection_window,
    environment_build,
    image,
    model,
    monitor,
    monitor_run,
    optimization_job,
    profile,
    profile_job,
    rollout,
    run,
    subscription,
    sync,
    upload,
)
from shared.resources.base import Document, Status
from shared.resources.declared import DECLARED_KINDS, RECONCILED, DeclaredSpec
from shared.resources.monitor_status import MonitorStatus


@dataclass(frozen=True, slots=True)
class Kind:
    """What there is to know about a kind."""

    name: str  # as in keys and REST
    spec: type[Document]
    status: type[Status]
    declaration: (
        type[Document] | None
    )  # the one form of its file; None if there is none, or more (shared.resources.forms)
    reconciled: bool = False  # whether a controller works on it (shared.controllers.table)


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(model.KIND, model.ModelSpec, model.ModelHeadStatus, model.ModelDeclaration, True),
        Kind(model.REGISTRATION_KIND, model.RegistrationSpec, Status, None),
        Kind(model.TOMBSTONE_KIND, model.TombstoneSpec, Status, None),
        Kind(
            environment_build.KIND,
            environment_build.EnvironmentBuildSpec,
            build.BuildStatus,
            None,
            True,
        ),
        Kind(
            collection_window.KIND,
            collection_window.CollectionWindowSpec,
            collection_window.CollectionWindowStatus,
            None,
            True,
        ),
        Kind(image.KIND, image.ImageSpec, image.ImageStatus, None, True),
        Kind(monitor_run.KIND, monitor_run.MonitorRunSpec, monitor_run.MonitorRunStatus, None, True),
        Kind(
            optimization_job.KIND,
            optimization_job.OptimizationSpec,
            optimization_job.OptimizationStatus,
            None,
            True,
        ),
        Kind(profile.KIND, profile_job.ProfileSpec, profile_job.ProfileStatus, None, True),
        Kind(rollout.KIND, rollout.RolloutSpec, rollout.RolloutStatus, None, True),
        Kind(run.KIND, run.RunSpec, Status, None),
        Kind(subscription.KIND, subscription.SubscriptionSpec, subscription.SubscriptionStatus, None),
        Kind(sync.KIND, sync.SyncSpec, sync.SyncStatus, None, True),
        Kind(sync.REF_KIND, sync.RefSpec, sync.RefStatus, None),
        Kind(upload.KIND, upload.UploadSpec, upload.UploadStatus, None, True),
        *(
            Kind(name, DeclaredSpec, MonitorStatus if name == monitor.KIND else Status, None, name in RECONCILED)
            for name in DECLARED_KINDS
        ),
    )
}


def kind_of(name: str) -> Kind:
    """The kind called `name`. Raises Invalid with the known ones."""
    if name not in KINDS:
        raise Invalid(f"there is no kind {name!r}", remedy=f"use one of {', '.join(sorted(KINDS))}")
    return KINDS[name]
