"""Clients of a cluster: by a kubeconfig, or by logins whose tokens change."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from shared.deployment_targets.kubernetes.login import ClusterLogin, LoginSource
from shared.errors import Invalid

if TYPE_CHECKING:
    import httpx2
    from lightkube import AsyncClient

CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 30.0


class KubeconfigConnection:
    """One client, by a kubeconfig's context: its exec credentials are asked again when they are refused."""

    def __init__(self, path: str, context: str, namespace: str, read_timeout_s: float = READ_TIMEOUT_S) -> None:
        self._timeout_s = read_timeout_s
        self._path = path
        self._context = context
        self._namespace = namespace
        self._client: AsyncClient | None = None

    async def client(self) -> AsyncClient:
        """The client. Raises Invalid for a kubeconfig that is none."""
        if self._client is None:
            from lightkube import AsyncClient, KubeConfig
            from lightkube.core.exceptions import ConfigError
            from msgspec import MsgspecError
            from yaml import YAMLError

            try:
                config = KubeConfig.from_file(self._path) if self._path else KubeConfig.from_env()
                chosen = config.get(self._context or None)
                self._client = AsyncClient(config=chosen, namespace=self._namespace, timeout=_timeout(self._timeout_s))
            except (ConfigError, MsgspecError, YAMLError, KeyError, TypeError, OSError) as error:
                remedy = "see the compute's `kubeconfig` and `context`"
                raise Invalid(f"the kubeconfig leads to no cluster ({type(error).__name__})", remedy=remedy) from error
        return self._client

    async def refused(self, client: AsyncClient) -> None:
        """Its credentials were refused: the file is read again the next time."""
        if client is self._client:
            self._client = None


class LoginConnection:
    """A client for each token: tokens are renewed by where they come from."""

    def __init__(self, source: LoginSource, namespace: str, read_timeout_s: float = READ_TIMEOUT_S) -> None:
        self._timeout_s = read_timeout_s
        self._source = source
        self._namespace = namespace
        self._login: ClusterLogin | None = None
        self._client: AsyncClient | None = None
        self._retired: AsyncClient | None = None
        self._changing = asyncio.Lock()

    async def client(self) -> AsyncClient:
        """A client whose token is good. Raises Retryable, Unauthorized."""
        async with self._changing:
            login = await self._source.login()
            if self._client is None or login != self._login:
                # Requests may be under way with the former client; those of the one before it have ended.
                closing, self._retired = self._retired, self._client
                self._login, self._client = login, _client_of(login, self._namespace, self._timeout_s)
                if closing is not None:
                    await closing.close()
            return self._client

    async def refused(self, client: AsyncClient) -> None:
        """Its credentials were refused: begin anew the next time."""
        async with self._changing:
            if client is self._client and self._login is not None:
                self._source.forget(self._login)


def _client_of(login: ClusterLogin, namespace: str, read_timeout_s: float) -> AsyncClient:
    from lightkube import AsyncClient, KubeConfig
    from lightkube.config.models import Cluster, User

    cluster = Cluster(server=login.server, certificate_auth_data=login.certificate_authority_data or None)
    config = KubeConfig.from_one(cluster=cluster, user=User(token=login.token), namespace=namespace)
    return AsyncClient(config=config, namespace=namespace, timeout=_timeout(read_timeout_s))


def _timeout(read_timeout_s: float) -> httpx2.Timeout:
    import httpx2

    return httpx2.Timeout(read_timeout_s, connect=CONNECT_TIMEOUT_S)
