"""Where programs run once: processes of this machine, Jobs of a Kubernetes cluster."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from shared.errors import Fault, Invalid

FILES_VARIABLE = "SLIPWAY_JOB_FILES"  # in a job's environment: the folder that holds its files, not to be written to
RESULT_VARIABLE = "SLIPWAY_JOB_RESULT"  # in a job's environment: the path that its result is written to
FOLDER_VARIABLE = "SLIPWAY_JOB_FOLDER"  # in the environment of a job with steps: the folder that all of them write to
MAX_RESULT_BYTES = 4095  # what every runner can give back: Kubernetes cuts a termination message at 4096
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,99}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OBJECT = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")  # RFC 1123 subdomain, as Kubernetes names its objects
_KEY = re.compile(r"(?!\.\.?$)[-._a-zA-Z0-9]{1,253}")
_FILE = re.compile(r"[A-Za-z0-9_][-A-Za-z0-9._]{0,199}")
_STEP = re.compile(r"(?!job$)[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?")  # RFC 1123 label; `job` is the job's own program


def is_job_name(name: str) -> bool:
    """Whether a job can be called so: 1 to 100 letters, digits, `.`, `_`, `-`, a letter or digit first."""
    return _NAME.fullmatch(name) is not None


class JobPhase(StrEnum):
    """How far a job is."""

    PENDING = "Pending"  # it waits for a place, or for its image
    RUNNING = "Running"  # its program runs, or is being ended
    SUCCEEDED = "Succeeded"  # its program ended with exit code 0
    FAILED = "Failed"  # it ended in another way
    CANCELED = "Canceled"  # it was ended because somebody asked for that


_ENDED = frozenset({JobPhase.SUCCEEDED, JobPhase.FAILED, JobPhase.CANCELED})
JOB_TRANSITIONS: Mapping[JobPhase, frozenset[JobPhase]] = {
    JobPhase.PENDING: frozenset({JobPhase.RUNNING}) | _ENDED,
    JobPhase.RUNNING: _ENDED,
    JobPhase.SUCCEEDED: frozenset(),
    JobPhase.FAILED: frozenset(),
    JobPhase.CANCELED: frozenset(),
}


class JobReason(StrEnum):
    """Why a job has not succeeded."""

    NONE = ""
    EXIT_CODE = "ExitCode"  # its program failed: see its log
    OOM_KILLED = "OOMKilled"  # it took more memory than its limit: give it more
    DEADLINE_EXCEEDED = "DeadlineExceeded"  # it took longer than its limit
    UNSCHEDULABLE = "Unschedulable"  # no node has room for it
    IMAGE_NOT_PULLED = "ImageNotPulled"  # the image or the right to pull it is missing
    CANNOT_START = "CannotStart"  # the program or a secret is missing
    RESULT_TOO_LARGE = "ResultTooLarge"  # more than max_result_bytes
    LOST = "Lost"  # it was ended from outside (evicted, its node gone, killed): start it anew


@dataclass(frozen=True, slots=True)
class SecretReference:
    """Where a secret's value is: a Secret of the namespace, a file of this machine's folder of secrets."""

    name: str  # of the Secret, of the folder
    key: str  # in the Secret, the file in the folder


@dataclass(frozen=True, slots=True)
class JobLimits:
    """What a job may take with all its processes; None is without a limit of its own."""

    cpu: float | None = None  # CPUs; 0.5 is half of one. Whole ones on this machine, rounded up
    memory_bytes: int | None = None
    scratch_bytes: int | None = None  # of temporary files. On this machine: what its disk has


@dataclass(frozen=True, slots=True)
class JobStep:
    """A program that runs before the job's own, in the same image, with its variables but without its secrets and
    files. All share a folder (FOLDER_VARIABLE), and nothing else that can be written to."""

    name: str
    command: tuple[str, ...]
    has_identity: bool = False  # whether it acts as the job's identity; without, none of its tokens are in reach


@dataclass(frozen=True, slots=True)
class JobSpec:
    """What is to run. Raises Invalid with every fault, for what no runner can have."""

    name: str  # names the job for ever: a second start of it starts nothing
    command: tuple[str, ...] = ()  # the program first; `$(NAME)` is the variable's value, as Kubernetes expands it
    image: str = ""  # a reference, best by digest; "" for a command of this machine
    environ: Mapping[str, str] = field(default_factory=dict)  # no secrets
    secrets: Mapping[str, SecretReference] = field(default_factory=dict)  # variable -> where its value is
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)  # name -> content, in FILES_VARIABLE
    limits: JobLimits = JobLimits()
    identity: str = ""  # the service account that it acts as; "": none, and it gets tokens of nobody
    steps: tuple[JobStep, ...] = ()  # what runs before, one after the other; the first that fails ends the job
    timeout_s: float = 3600.0  # between the program's start and SIGTERM
    stop_timeout_s: float = 30.0  # between SIGTERM and SIGKILL, to it and all it started
    max_result_bytes: int = MAX_RESULT_BYTES

    def __post_init__(self) -> None:
        wrong = [
            *([] if is_job_name(self.name) else [Fault("no name of a job", "/name", allowed=_NAME.pattern)]),
            *([] if self.command or self.image else [Fault("neither a command nor an image", "/command")]),
            *(_wrong_of_variables({**dict.fromkeys(self.secrets, ""), **self.environ})),
            *(Fault("no name of a file", f"/files/{name[:80]}") for name in self.files if not _FILE.fullmatch(name)),
            *(
                Fault("no name or key of a secret", f"/secrets/{name[:80]}")
                for name, one in self.secrets.items()
                if not (_OBJECT.fullmatch(one.name) and _KEY.fullmatch(one.key))
            ),
            *_wrong_of_limits(self),
            *([Fault("no name of a service account", "/identity")] if self._has_wrong_identity else []),
            *_wrong_of_steps(self.steps),
        ]
        said = (*self.command, *(part for step in self.steps for part in step.command))
        if any("\0" in part for part in (*said, self.image)):
            wrong.append(Fault("it holds a NUL", "/command"))
        if shown := [name for name in self.secrets if any(f"$({name})" in part for part in said)]:
            wrong.append(Fault(f"the secret {shown[0][:80]} would be seen among the processes", "/command"))
        if wrong:
            raise Invalid(f"the job {self.name[:80]!r} can't be", faults=tuple(wrong))

    @property
    def _has_wrong_identity(self) -> bool:
        return self.identity != "" and not _OBJECT.fullmatch(self.identity)

    @property
    def digest(self) -> str:
        """The same for what is the same job: 16 hexadecimal digits."""
        said = [
            *(self.name, self.command, self.image, sorted(self.environ.items())),
            sorted((name, one.name, one.key) for name, one in self.secrets.items()),
            sorted((name, hashlib.sha256(content).hexdigest()) for name, content in self.files.items()),
            *(self.limits.cpu, self.limits.memory_bytes, self.limits.scratch_bytes, self.identity),
            *(self.timeout_s, self.stop_timeout_s, self.max_result_bytes),
            *((step.name, step.command, step.has_identity) for step in self.steps),
        ]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


def _wrong_of_variables(environ: Mapping[str, str]) -> list[Fault]:
    return [
        Fault("no name or no value of an environment variable, or a job's own", f"/environ/{name[:80]}")
        for name, value in environ.items()
        if not _VARIABLE.fullmatch(name) or "\0" in value or name in (FILES_VARIABLE, RESULT_VARIABLE)
    ]


def _wrong_of_steps(steps: tuple[JobStep, ...]) -> list[Fault]:
    names = [step.name for step in steps]
    return [
        Fault("no name of a step, or twice, or without a command", f"/steps/{number}", allowed=_STEP.pattern)
        for number, step in enumerate(steps)
        if not (_STEP.fullmatch(step.name) and step.command) or names.index(step.name) != number
    ]


def _wrong_of_limits(spec: JobSpec) -> list[Fault]:
    amounts = {
        "/limits/cpu": spec.limits.cpu,
        "/limits/memory_bytes": spec.limits.memory_bytes,
        "/limits/scratch_bytes": spec.limits.scratch_bytes,
        "/timeout_s": spec.timeout_s,
        "/stop_timeout_s": spec.stop_timeout_s,
        "/max_result_bytes": spec.max_result_bytes,
    }
    return [
        Fault("not more than 0", pointer)
        for pointer, amount in amounts.items()
        if amount is not None and not (math.isfinite(amount) and amount > 0)
    ]


@dataclass(frozen=True, slots=True)
class JobProgress:
    """How far a job is."""

    phase: JobPhase
    reason: JobReason = JobReason.NONE  # also while it is Pending, where something has to be done by people
    message: str = ""  # the reason in a sentence, for people
    exit_code: int | None = None  # of its program; None while it runs, or where it did not exit by itself
    log: str = ""  # what it printed so far, at most the end of it; kept until it is removed
    result: str = ""  # what it wrote to RESULT_VARIABLE when it succeeded; "" for nothing

    @property
    def has_ended(self) -> bool:
        """Whether nothing more comes."""
        return self.phase in _ENDED


class JobRunner(Protocol):
    """Runs programs once, under limits, and keeps what they printed. Everything raises Retryable when the place does
    not answer."""

    async def start(self, spec: JobSpec) -> None:
        """Start it; nothing happens when a job of this name was started already, however far it is. Raises
        AlreadyExists where that was to be another job, NotSupported and Invalid for what this runner can't have."""
        ...

    async def look(self, name: str) -> JobProgress:
        """How far it is. Raises NotFound for one that was not started, or was removed."""
        ...

    async def cancel(self, name: str) -> None:
        """Have it end: it is Canceled when nothing of it runs any more. Nothing happens when it has ended."""
        ...

    async def remove(self, name: str) -> None:
        """End it with all it started, and forget it with its log; nothing happens when there is none."""
        ...
