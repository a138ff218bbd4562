"""A package index on loopback, with tiny wheels made for the test (PEP 503's simple API, PEP 427's wheels)."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from tests.doubles.webhook_receiver import serving


@dataclass
class PackageIndex:
    """What the index has. `url` is its simple API."""

    url: str = ""
    wheels: dict[str, dict[str, bytes]] = field(default_factory=dict)  # package -> file name -> content
    status: int = 200  # what it answers with; another than 200 stands for an index in trouble
    requests: list[str] = field(default_factory=list)

    def add(self, name: str, version: str, requires: Sequence[str] = (), *, content: str = "") -> None:
        """Publish a version of a package whose module says its version."""
        self.wheels.setdefault(name, {})[f"{name}-{version}-py3-none-any.whl"] = wheel(name, version, requires, content)

    async def _project(self, request: web.Request) -> web.Response:
        self.requests.append(request.path)
        if self.status != 200:
            return web.Response(status=self.status)
        files = self.wheels.get(request.match_info["name"])
        if files is None:
            return web.Response(status=404)
        links = [
            f'<a href="../../files/{name}#sha256={hashlib.sha256(data).hexdigest()}">{name}</a>'
            for name, data in files.items()
        ]
        return web.Response(
            text="<!DOCTYPE html><html><body>" + "".join(links) + "</body></html>", content_type="text/html"
        )

    async def _file(self, request: web.Request) -> web.Response:
        self.requests.append(request.path)
        name = request.match_info["file"]
        found = [files[name] for files in self.wheels.values() if name in files]
        return web.Response(body=found[0]) if found and self.status == 200 else web.Response(status=404)


def wheel(name: str, version: str, requires: Sequence[str] = (), content: str = "") -> bytes:
    """A wheel with one module, the same bytes each time."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {one}\n" for one in requires)
    files = {
        f"{name}/__init__.py": f"__version__ = {version!r}\n{content}",
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: slipway-tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},sha256={_digest(text)},{len(text.encode())}\n" for path, text in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return packed.getvalue()


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


@asynccontextmanager
async def package_index() -> AsyncIterator[PackageIndex]:
    """The index on a free loopback port for as long as the context lasts."""
    index = PackageIndex()
    app = web.Application()
    app.router.add_get("/simple/{name}/", index._project)
    app.router.add_get("/files/{file}", index._file)
    async with serving(app) as url:
        index.url = f"{url}/simple"
        yield index
