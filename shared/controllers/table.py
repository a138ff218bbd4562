"""Which kinds have a controller. A controller is one module beside this file and one line here."""

from __future__ import annotations

from shared.controllers import (
    collection_window,
    data,
    deployment,
    endpoint,
    environment,
    environment_build,
    image,
    model,
    monitor_run,
    optimization,
    profile,
    rollout,
    sync,
    upload,
)
from shared.controllers.outcome import Controller
from shared.errors import Invalid
from shared.resources.collection_window import KIND as COLLECTION_WINDOW
from shared.resources.data import KIND as DATA
from shared.resources.environment import KIND as ENVIRONMENT
from shared.resources.environment_build import KIND as ENVIRONMENT_BUILD
from shared.resources.image import KIND as IMAGE
from shared.resources.model import KIND as MODEL
from shared.resources.monitor_run import KIND as MONITOR_RUN
from shared.resources.online_deployment import KIND as ONLINE_DEPLOYMENT
from shared.resources.online_endpoint import KIND as ONLINE_ENDPOINT
from shared.resources.optimization_job import KIND as OPTIMIZATION
from shared.resources.profile import KIND as PROFILE
from shared.resources.rollout import KIND as ROLLOUT
from shared.resources.sync import KIND as SYNC
from shared.resources.upload import KIND as UPLOAD

CONTROLLERS: dict[str, Controller] = {
    COLLECTION_WINDOW: collection_window.CONTROLLER,
    DATA: data.CONTROLLER,
    ENVIRONMENT: environment.CONTROLLER,
    ENVIRONMENT_BUILD: environment_build.CONTROLLER,
    IMAGE: image.CONTROLLER,
    MODEL: model.CONTROLLER,
    MONITOR_RUN: monitor_run.CONTROLLER,
    OPTIMIZATION: optimization.CONTROLLER,
    ONLINE_DEPLOYMENT: deployment.CONTROLLER,
    ONLINE_ENDPOINT: endpoint.CONTROLLER,
    PROFILE: profile.CONTROLLER,
    ROLLOUT: rollout.CONTROLLER,
    SYNC: sync.CONTROLLER,
    UPLOAD: upload.CONTROLLER,
}


def controller_of(kind: str) -> Controller:
    """The controller of a kind. Raises Invalid with the kinds that have one."""
    if kind not in CONTROLLERS:
        raise Invalid(f"nothing reconciles the kind {kind!r}", remedy=f"use one of {', '.join(sorted(CONTROLLERS))}")
    return CONTROLLERS[kind]
