"""Computes of IoT Edge to render for."""

from __future__ import annotations

from typing import Any

from shared.resources.iot_edge_compute import IotEdgeCompute

RUNTIME = {
    "agent_image": "mcr.example/azureiotedge-agent:1.6",
    "hub_image": "mcr.example/azureiotedge-hub:1.6",
    "registry": {"address": "registry.example", "username": "puller", "password_env": "EDGE_PASSWORD"},
}


def devices(**more: Any) -> IotEdgeCompute:
    return IotEdgeCompute.model_validate(
        {
            "type": "iot-edge",
            "name": "edge",
            "hub": "hub.example",
            "target_condition": "tags.site='north'",
            "open_to_callers": True,
            "settle_s": 0,
            "runtime": RUNTIME,
            **more,
        }
    )
