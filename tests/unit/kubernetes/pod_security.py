"""Pod Security Standards, level `restricted` (with what `baseline` has), and a read-only root file system."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

VOLUMES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"),
    "name",
}
CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
SECCOMP = ("RuntimeDefault", "Localhost")
SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
}
SELINUX = ("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")


def violations(pod: dict[str, Any]) -> list[str]:
    """Every control that the pod's spec does not keep."""
    context = pod.get("securityContext", {})
    return [
        *(name for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name)),
        *(f"volume {key}" for each in pod.get("volumes", ()) for key in each if key not in VOLUMES),
        *(f"sysctl {each['name']}" for each in context.get("sysctls", ()) if each["name"] not in SYSCTLS),
        *_context(context),
        *(fault for kind in CONTAINERS for one in pod.get(kind, ()) for fault in _container(one, context)),
    ]


def _context(context: dict[str, Any]) -> Iterator[str]:
    """Of a pod, or a container."""
    if context.get("runAsUser") == 0:
        yield "runAsUser 0"
    if context.get("windowsOptions", {}).get("hostProcess"):
        yield "hostProcess"
    if context.get("seLinuxOptions", {}).get("type", "") not in SELINUX:
        yield "SELinux type"
    if {"user", "role"} & set(context.get("seLinuxOptions", {})):
        yield "SELinux user or role"
    if context.get("appArmorProfile", {}).get("type", "RuntimeDefault") == "Unconfined":
        yield "AppArmor"


def _container(one: dict[str, Any], pod: dict[str, Any]) -> Iterator[str]:
    context = one.get("securityContext", {})
    yield from _context(context)
    capabilities = context.get("capabilities", {})
    wrong = {
        "privileged": context.get("privileged", False),
        "allowPrivilegeEscalation": context.get("allowPrivilegeEscalation") is not False,
        "capabilities that stay": "ALL" not in capabilities.get("drop", ()),
        "capabilities that are added": set(capabilities.get("add", ())) - {"NET_BIND_SERVICE"},
        "procMount": context.get("procMount", "Default") != "Default",
        "runAsNonRoot": context.get("runAsNonRoot", pod.get("runAsNonRoot")) is not True,
        "seccomp": (context.get("seccompProfile") or pod.get("seccompProfile") or {}).get("type") not in SECCOMP,
        "a root file system that can be written to": context.get("readOnlyRootFilesystem") is not True,
        "a port of the host": any(port.get("hostPort") for port in one.get("ports", ())),
        "a probe of another host": any(_asks_another(one.get(name, {})) for name in one if name.endswith("Probe")),
        "a hook to another host": any(_asks_another(hook) for hook in one.get("lifecycle", {}).values()),
    }
    yield from (name for name, is_wrong in wrong.items() if is_wrong)


def _asks_another(handler: dict[str, Any]) -> bool:
    return any(handler.get(kind, {}).get("host") for kind in ("httpGet", "tcpSocket"))
