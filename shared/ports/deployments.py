"""Where models are deployed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from shared.resources.model import ModelFile


@dataclass(frozen=True, slots=True)
class ProbeTiming:
    """When a probe is made, and what its answers come to (Azure ML's meaning, which is Kubernetes')."""

    initial_delay_s: int = 10
    period_s: int = 10
    timeout_s: int = 2
    success_threshold: int = 1
    failure_threshold: int = 30


@dataclass(frozen=True, slots=True)
class Autoscale:
    """As many instances as keep their load at a target."""

    min_instances: int
    max_instances: int
    target_percent: int  # of what an instance can bear


@dataclass(frozen=True, slots=True)
class ContainerDesired:
    """What only targets that run containers are told."""

    image: str  # a reference, best by digest
    requests: Mapping[str, str] = field(default_factory=dict)  # what an instance gets: Kubernetes quantities
    limits: Mapping[str, str] = field(default_factory=dict)  # the most it may take
    instance_type: str = ""  # a name that the target knows; "" for none
    autoscale: Autoscale | None = None  # None: `instances` of them
    max_concurrent: int = 1  # requests at once in one instance
    liveness: ProbeTiming = ProbeTiming()
    readiness: ProbeTiming = ProbeTiming()


@dataclass(frozen=True, slots=True)
class DesiredDeployment:
    """What is to run."""

    name: str
    model_name: str  # "" for a deployment without a model
    model_version: str
    files: tuple[ModelFile, ...]  # of the model
    code: tuple[ModelFile, ...]  # of the entry script and what lies beside it
    entry_script: str  # path in `code`; "" for a model without code
    environment_location: str
    packages: tuple[str, ...]  # names of what the environment has
    instances: int
    environ: Mapping[str, str]
    request_timeout_ms: int
    memory_bytes: int | None = None  # that an instance may allocate
    idle_timeout_s: float | None = None  # without a request, after which no instance need run; None: they always run
    container: ContainerDesired | None = None  # None where processes run


@dataclass(frozen=True, slots=True)
class EndpointAccess:
    """Who may call, as far as whoever checks callers has to know it: `Authorization: Bearer` with a key or a token."""

    auth_mode: str  # Azure ML's: key, aml_token or aad_token
    key_sha256: tuple[str, ...] = ()  # of each key that opens, in hexadecimal digits
    keys: tuple[str, ...] = field(default=(), repr=False)  # themselves, for targets whose servers have to hold them
    token_secret: str = field(default="", repr=False)  # signs the tokens that open (JWT, HS256)
    audience: str = ""  # that a token has to name


@dataclass(frozen=True, slots=True)
class DesiredEndpoint:
    """An endpoint with its deployments and their traffic."""

    name: str
    deployments: tuple[DesiredDeployment, ...]
    weights: Mapping[str, int]  # percent of each deployment; 100 in all, or 0
    mirror: Mapping[str, int]  # percent of copies, at most one deployment
    sticky_header: str  # whose value keeps a caller with one deployment; "" for none
    read_file: Callable[[str], AsyncIterator[bytes]]  # the content of a file, by its SHA-256
    access: EndpointAccess | None = None  # None: nobody is asked who they are
    compute: str = ""  # the declared place that it runs at; "" for the installation's own

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that callers may send: primary, secondary; () where callers prove themselves otherwise."""
        return self.access.keys if self.access else ()


@dataclass(frozen=True, slots=True)
class ObservedDeployment:
    """What is so of a deployment."""

    ready: int  # instances that take requests
    restarts: int = 0
    failures: int = 0  # ends in a row that nobody asked for
    problem: str = ""  # why it is not ready; "" for none
    log_tail: tuple[str, ...] = ()
    scaled_to_zero: bool = False  # whether none runs because nobody asks: the next request is held, and starts it
    is_current: bool = True  # whether what is ready is what is desired


@dataclass(frozen=True, slots=True)
class ObservedEndpoint:
    """What is so of an endpoint."""

    scoring_uri: str
    ready: bool  # whether requests are taken
    problem: str = ""  # why requests are not taken; "" while it is on its way, or for none
    deployments: Mapping[str, ObservedDeployment] = field(default_factory=dict)


class DeploymentTarget(Protocol):
    """Runs endpoints: processes and a router of this machine, a cluster, or devices."""

    async def ensure(self, desired: DesiredEndpoint) -> ObservedEndpoint:
        """One step towards what is desired, and what is so then: call it again until it is so, and from then on now and
        then. Raises NotSupported where nothing can be deployed, Retryable when something is not available."""
        ...

    async def observe(self, endpoint: str) -> ObservedEndpoint | None:
        """What was so at the last step; None for an endpoint that is not here."""
        ...

    async def metrics(self, endpoint: str) -> str:
        """The router's figures in Prometheus' text format, and those of the servers with a label `deployment`; "" when
        the router does not answer."""
        ...

    async def logs(self, endpoint: str, deployment: str, lines: int) -> str:
        """The last lines of a deployment's instances. Raises NotFound."""
        ...

    async def keep_only(self, endpoints: frozenset[str]) -> tuple[str, ...]:
        """Remove every other endpoint; which ones are being removed."""
        ...
