"""What is opened when it is needed first: git hosts, image registries, sources of models, clusters."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

from shared.adapters.targets import TargetsByCompute
from shared.compute_settings import load_computes, secret_of
from shared.datastore_settings import load_datastores
from shared.deployment_targets.iot_edge.tokens import HubTokens
from shared.deployment_targets.kubernetes.login import LoginSource
from shared.errors import NotSupported
from shared.git_settings import git_token
from shared.notifier_settings import notifier_secret
from shared.ports import (
    Clock,
    CommitReporter,
    DeploymentTarget,
    GitRemote,
    ImageDigests,
    ModelSource,
    Notifier,
)
from shared.resources.aci_compute import AciCompute
from shared.resources.compute import AnyCompute, Cluster, KubernetesCompute
from shared.resources.git_repository import GitRepository
from shared.resources.iot_edge_compute import IotEdgeCompute
from shared.resources.notification import NotifierDeclaration
from shared.settings import Settings

if TYPE_CHECKING:
    from shared.adapters.azure.blob_source import AccountServices
    from shared.adapters.kubernetes.objects import Connection
    from shared.adapters.registry.client import DistributionRegistry


def git_remote(repository: GitRepository) -> GitRemote:
    """The repository, with the token that is configured for it."""
    from shared.adapters.git.dulwich_remote import DulwichRemote

    return DulwichRemote(repository, lambda: git_token(repository))


def git_reporter(repository: GitRepository) -> CommitReporter:
    """Where statuses of its commits are written."""
    from shared.adapters.git.reporters import reporter_for

    return reporter_for(repository, lambda: git_token(repository), os.environ.get("SLIPWAY_GIT_API_URL") or None)


def image_digests(settings: Settings) -> ImageDigests:
    """Which images tags are now, by their registries."""
    from shared.adapters.registry.digests import RegistryDigests

    return RegistryDigests(image_registry, settings.base_image_timeout_s, loopback=settings.mode == "local")


def image_registry(host: str) -> DistributionRegistry:
    """A registry, with the login that other tools left for it."""
    from shared.adapters.registry.client import DistributionRegistry
    from shared.adapters.registry.docker_login import login_of

    # Docker Hub has its registry elsewhere than its name says.
    return DistributionRegistry({"docker.io": "registry-1.docker.io"}.get(host, host), credentials=login_of(host))


def source_opener(settings: Settings) -> Callable[[str, int], ModelSource]:
    """Opens the source of a URI, as the settings allow; it brings at most so many bytes."""

    @cache
    def services() -> AccountServices:
        from shared.adapters.azure.blob_source import AccountServices

        return AccountServices(settings.managed_identity_client_id)

    def open_source(uri: str, max_bytes: int) -> ModelSource:
        from shared.adapters.sources.table import open_source as choose
        from shared.sources.blob_places import blob_place

        datastores = load_datastores(settings.datastores)
        if blob_place(uri, datastores) is None:
            return choose(uri, settings, max_bytes)
        from shared.adapters.azure.blob_source import BlobSource

        return BlobSource(datastores, services().of, max_bytes=max_bytes)

    return open_source


def notifier_opener(clock: Clock) -> Callable[[NotifierDeclaration], Notifier]:
    """Opens a notifier; its secrets are read from the environment when it sends."""

    def open_notifier(declared: NotifierDeclaration) -> Notifier:
        from shared.adapters.notifiers.table import notifier_of

        return notifier_of(declared, notifier_secret, clock)

    return open_notifier


def targets(
    settings: Settings,
    own: DeploymentTarget,
    aks: Callable[[str], LoginSource] | None,
    hub_tokens: Callable[[], HubTokens] | None,
    aci: Callable[[AciCompute], DeploymentTarget] | None = None,
    prometheus: Callable[[], Awaitable[str]] | None = None,
) -> TargetsByCompute:
    """The installation's own target, and those of the computes; `aks` gives logins for clusters by ARM id, and by the
    installation's identity `hub_tokens` tokens for IoT hubs, `aci` targets of container groups, `prometheus` the header
    that Azure Monitor workspaces want."""

    def opener(compute: AnyCompute) -> Callable[[], DeploymentTarget]:
        def open_target() -> DeploymentTarget:
            if isinstance(compute, IotEdgeCompute):
                return _edge_target(compute, hub_tokens)
            if isinstance(compute, AciCompute):
                return _group_target(compute, aci)
            return _cluster_target(compute, aks, prometheus)

        return open_target

    return TargetsByCompute(own, {name: opener(one) for name, one in load_computes(settings.computes).items()})


def _edge_target(compute: IotEdgeCompute, hub_tokens: Callable[[], HubTokens] | None) -> DeploymentTarget:
    from shared.adapters.iot_edge.client import HubClient
    from shared.adapters.iot_edge.sas_tokens import SasTokens
    from shared.adapters.iot_edge.target import IotEdgeTarget

    if compute.sas_policy:
        what = f"the key of {compute.name}'s policy {compute.sas_policy}"
        tokens: HubTokens = SasTokens(compute.hub, compute.sas_policy, lambda: secret_of(compute.sas_key_env, what))
    elif hub_tokens is not None:
        tokens = hub_tokens()
    else:
        raise NotSupported(
            f"{compute.name} is reached by an identity on Azure",
            remedy="give `sas_policy` and `sas_key_env` of its hub on this machine",
        )
    registry = compute.runtime.registry if compute.runtime else None
    variable = registry.password_env if registry else ""
    return IotEdgeTarget(
        compute,
        HubClient(compute.hub, tokens, compute.certificate_authority),
        lambda: secret_of(variable, f"the password of {compute.name}'s registry"),
    )


def _group_target(compute: AciCompute, aci: Callable[[AciCompute], DeploymentTarget] | None) -> DeploymentTarget:
    if aci is None:
        remedy = "run Slipway on Azure, or name a cluster or this machine"
        raise NotSupported(f"{compute.name} is reached by an identity on Azure", remedy=remedy)
    return aci(compute)


def _cluster_target(
    compute: Cluster, aks: Callable[[str], LoginSource] | None, prometheus: Callable[[], Awaitable[str]] | None
) -> DeploymentTarget:
    connection = cluster_connection(compute, aks)
    from shared.adapters.kubernetes.target import KubernetesTarget

    return KubernetesTarget(compute, connection, authorization=prometheus)


def cluster_connection(compute: Cluster, aks: Callable[[str], LoginSource] | None) -> Connection:
    """Clients of the cluster. Raises NotSupported where none can be had."""
    if find_spec("lightkube") is None:
        remedy = "install the extra `kubernetes` where Slipway runs"
        raise NotSupported(f"{compute.name}: no client for clusters is installed", remedy=remedy)
    from shared.adapters.kubernetes.connections import KubeconfigConnection, LoginConnection

    if isinstance(compute, KubernetesCompute):
        return KubeconfigConnection(compute.kubeconfig, compute.context, compute.namespace)
    if aks is None:
        raise NotSupported(
            f"{compute.name} is reached by an identity on Azure",
            remedy="use `type: kubernetes` with a kubeconfig on this machine",
        )
    return LoginConnection(aks(compute.resource_id), compute.namespace)
