"""What is collected, how much of it, and where it goes."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.scoring.collector.destination import Destination, destination_of
from shared.scoring.errors import StartError
from shared.scoring.settings import Settings

INPUTS, OUTPUTS = "model_inputs", "model_outputs"
REQUEST, RESPONSE = "request", "response"  # reserved by Azure ML: the bodies themselves


@dataclass(frozen=True, slots=True)
class Plan:
    """`collections` are lower case; `share` of the requests is collected, the same ones in every collection."""

    destination: Destination
    collections: frozenset[str]
    share: float
    buffer_bytes: int
    roll: str  # minute, hour or day
    headers: tuple[str, ...]  # of requests, kept with their bodies; lower case
    endpoint: str
    deployment: str
    version: str

    def samples(self, correlation_id: str) -> bool:
        """Whether this is in the sample: what belongs together is, together."""
        return self.share >= 1 or zlib.crc32(correlation_id.encode("utf-8", "replace")) < self.share * 2**32

    def config(self, instance: str) -> dict[str, Any]:
        """What the writing process is told; it may hold a SAS."""
        place = self.destination
        return {
            "to": {"folder": str(place)} if isinstance(place, Path) else place.as_dict(),
            "endpoint": self.endpoint,
            "deployment": self.deployment,
            "version": self.version,
            "roll": self.roll,
            "instance": instance,
        }


def plan_of(settings: Settings, environ: Mapping[str, str]) -> Plan | None:
    """None when nothing is collected. Raises StartError."""
    if settings.collect_dir is not None and settings.collect_url:
        raise StartError("collected data go to a folder or to a URL, not to both")
    text = settings.collect_url or str(settings.collect_dir or "")
    destination = destination_of(text, settings.collect_sas_file, environ)
    if destination is None:
        return None
    return Plan(
        destination=destination,
        collections=frozenset(name.lower() for name in settings.collections),
        share=settings.collect_percent / 100,
        buffer_bytes=settings.collect_buffer_bytes,
        roll=settings.collect_roll,
        headers=tuple(name.lower() for name in settings.collect_headers),
        endpoint=settings.endpoint,
        deployment=settings.deployment,
        version=settings.model_version,
    )
