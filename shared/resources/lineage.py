"""Lineage: what a model version came from and what came from it, as a graph.

An edge reads "source relation target" and points to where the source came from, as in W3C PROV (PROV-DM, section 5.2).
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from shared.resources.base import Document

MAX_NODES = 500
MAX_DEPTH = 100
DEFAULT_DEPTH = 10


class Relation(StrEnum):
    """How one thing has to do with another."""

    TRAINED_ON = "trained on"
    TESTED_ON = "tested on"
    USED = "used"  # a data set, for another purpose
    PRODUCED_BY = "produced by"  # the run that made it
    TAKEN_FROM = "taken from"  # where its files were before
    READ = "read"  # a run, a data set
    DERIVED_FROM = "derived from"  # a model, its parent
    COMMITTED_AS = "committed as"  # the git commit of its code
    BUILT_IN = "built in"  # an environment
    NAMES = "names"  # a label, a version
    DEPLOYS = "deploys"
    PACKAGES = "packages"
    REFERS_TO = "refers to"  # in any other way


class NodeState(StrEnum):
    """Whether a thing is there."""

    REGISTERED = "registered"  # it is
    DELETED = "deleted"  # it was
    EXTERNAL = "external"  # it is named, but it was never registered here: a commit, a URL, a data set elsewhere


class LineageNode(Document):
    """A thing in the graph."""

    id: str = Field(description="KIND/NAME:VERSION, or KIND/NAME for what has no versions")
    kind: str = Field(description="model, data, run, commit, environment, label, origin, or any other kind")
    label: str = Field(description="its name for people")
    state: NodeState
    facts: dict[str, str] = Field(default_factory=dict, description="a few things to know of it")


class LineageEdge(Document):
    """How two of them have to do with each other: "source relation target"."""

    source: str = Field(description="id of the node that came from, or was made with, the target")
    target: str
    relation: Relation


class Lineage(Document):
    """The graph around one version: all it came from, and all that came from it."""

    root: str = Field(description="id of the version that was asked for")
    depth: int = Field(description="at most so many edges away from the root")
    truncated: bool = Field(description="whether there is more, further away or beyond the limit of nodes")
    nodes: list[LineageNode] = Field(description="the root first, then by distance; at most 500")
    edges: list[LineageEdge]
