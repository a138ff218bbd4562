"""What is done with a model version by itself once it is registered: said in its model.yml, or by the team's policy."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from shared.resources.base import NAME_PATTERN, Document
from shared.resources.build import StoredText
from shared.resources.optimization import Tolerances, Variant

FRAMEWORK_VERSION_PATTERN = r"^[0-9A-Za-z.+!-]*$"
ENVIRONMENT_PATTERN = r"^(azureml:|slipway/)?[a-zA-Z0-9][a-zA-Z0-9\-._]{0,254}([:@][a-zA-Z0-9][a-zA-Z0-9._-]{0,63})?$"
SourceKindName = Literal["", "sklearn", "xgboost", "lightgbm", "pytorch", "tensorflow", "onnx"]
Amount = Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)]
VARIANTS = "which are made besides onnx, from which they are made: any of graph, float16, int8-dynamic, int8-static"


class OptimizeSection(Document):
    """`optimize:` of a model.yml: what `slipway model optimize` is given."""

    kind: SourceKindName = Field(default="", description="of the model [the files tell]")
    framework_version: str = Field(
        default="", max_length=40, pattern=FRAMEWORK_VERSION_PATTERN, description="it was made by [the files tell]"
    )
    sample: str | None = Field(
        default=None, max_length=1024, pattern=r"\.(csv|json)$", description="a file of the model [its sample_input]"
    )
    tolerances: Tolerances = Field(default_factory=Tolerances, description="what is the same output")
    variants: list[Variant] = Field(default_factory=lambda: list(Variant), min_length=1, description=VARIANTS)
    register_as: str = Field(
        default="", max_length=255, pattern=f"^$|{NAME_PATTERN}", description="the derived model's name [NAME-onnx]"
    )


class ProfileSection(Document):
    """`profile:` of a model.yml: what `slipway model profile` is given."""

    target_rps: Amount = Field(description="requests per second that are to be answered")
    p99_ms: Amount = Field(description="milliseconds that 99 % of them may take")
    max_memory_gb: Amount = Field(default=2.0, description="memory that may be recommended, GB of 2**30 bytes")
    environment: str = Field(
        default="slipway/onnx-serving", pattern=ENVIRONMENT_PATTERN, description="it is served in: NAME[:VERSION]"
    )
    entry_script: str = Field(default="", max_length=1024, description="a file of the model with init() and run()")
    sample: str | None = Field(
        default=None,
        max_length=1024,
        pattern=r"\.(jsonl|ndjson|json|csv)$",
        description="a file of the model with requests, one a row [its sample_input]",
    )


class AutomationRule(Document):
    """Which versions it is for, all conditions together, and what is done with them."""

    models: str = Field(default="*", max_length=256, description="pattern of names, e.g. fraud-*")
    tags: dict[str, str] = Field(default_factory=dict, description="that a version must have")
    frameworks: list[str] = Field(default_factory=list, description="one of them must be its `framework` [any]")
    optimize: OptimizeSection | None = None
    profile: ProfileSection | None = None

    def is_for(self, name: str, tags: dict[str, str], framework: str | None) -> bool:
        """Whether a version is meant. Names are compared as shell patterns, with regard to case."""
        has_tags = all(tags.get(key) == value for key, value in self.tags.items())
        return fnmatchcase(name, self.models) and has_tags and (not self.frameworks or framework in self.frameworks)


class AutomationPolicy(Document):
    """`policies/automation.json`: what is done with versions whose model.yml does not say it."""

    model_config = ConfigDict(
        title="AutomationPolicy",
        json_schema_extra={
            "examples": [{"rules": [{"models": "fraud-*", "profile": {"target_rps": 50, "p99_ms": 50}}]}]
        },
    )

    schema_: str | None = Field(default=None, alias="$schema", description="the schema's URL, for editors")
    rules: list[AutomationRule] = Field(max_length=200, description="the first that is for a version counts")


class ProfileSample(Document):
    """The requests of a profile."""

    text: StoredText
    name: str  # the file's name, whose end says its format


class Automation(Document):
    """What was decided to be done with a version, once and for all, and how far that is."""

    by: Literal["model.yml", "policy", "parent"]  # who said so; parent: the version it was optimised from
    optimize: OptimizeSection | None = None  # None: it is not optimised
    profile: ProfileSection | None = None  # None: it is not profiled
    profile_sample: ProfileSample | None = None  # of the parent; None: a file of its own
    optimization_id: str = ""  # the optimisation; "" before it was asked for
    profile_id: str = ""  # the profile; "" before it was asked for, and when a derived version is profiled instead
    is_optimized: bool = False  # whether the optimisation has ended, however, or there is none to come
    is_profiled: bool = False  # whether the profile has ended, however, or there is none to come

    @property
    def is_done(self) -> bool:
        """Whether there is nothing left to do."""
        return (self.optimize is None or self.is_optimized) and (self.profile is None or self.is_profiled)
