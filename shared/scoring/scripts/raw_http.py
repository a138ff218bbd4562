"""What scripts with @rawhttp are given and may return, without Flask: the part of flask.Request and flask.Response that
the examples of Azure ML use. (azureml_inference_server_http.api.aml_request and .aml_response 1.5.1)"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from email.parser import BytesParser
from email.policy import HTTP
from http.cookies import CookieError, SimpleCookie
from io import BytesIO
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from shared.scoring.http.messages import Request

F = TypeVar("F", bound=Callable[..., Any])


class RawHttp:
    """Whether a script asked for raw requests; one for the process, as scripts know it."""

    requested = False


def rawhttp(function: F) -> F:
    """The decorator of run(): it is called with the request itself."""
    RawHttp.requested = True
    return function


class Values(Mapping[str, str]):
    """Names with one or more texts: the first by `[]`, all by `getlist`. Of headers, names differ not by case."""

    def __init__(self, items: list[tuple[str, Any]], *, fold: bool = False) -> None:
        self._fold = fold
        self._lists: dict[str, list[Any]] = {}
        self._names: dict[str, str] = {}
        for name, value in items:
            self._lists.setdefault(self._key(name), []).append(value)
            self._names.setdefault(self._key(name), name)

    def _key(self, name: str) -> str:
        return name.lower() if self._fold else name

    def __getitem__(self, name: str) -> Any:
        return self._lists[self._key(name)][0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names.values())

    def __len__(self) -> int:
        return len(self._lists)

    def getlist(self, name: str) -> list[Any]:
        """All values of a name, [] when there is none."""
        return list(self._lists.get(self._key(name), []))


class Upload(BytesIO):
    """A file of a form: a stream with its name and type."""

    def __init__(self, content: bytes, name: str, filename: str, content_type: str) -> None:
        super().__init__(content)
        self.name = name
        self.filename = filename
        self.content_type = content_type

    @property
    def stream(self) -> BytesIO:
        """Itself."""
        return self

    def save(self, path: str) -> None:
        """Write it to a file."""
        with open(path, "wb") as file:
            file.write(self.getvalue())


class AMLRequest:
    """A request, read only."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.method = request.method.decode("latin-1")
        self.path = request.path.decode("latin-1")
        self.query_string = request.query
        self.remote_addr = request.peer
        self.headers = Values(header_items(request), fold=True)
        self.data = request.body
        self.host = request.header(b"host")
        self.content_type = request.headers.get(b"content-type", b"").decode("latin-1") or None
        self.mimetype = request.media_type.decode("latin-1")
        self.content_length = len(request.body)

    def get_data(self, cache: bool = True, as_text: bool = False, parse_form_data: bool = False) -> bytes | str:
        """The body. Raises UnicodeDecodeError when it is asked for as text and is not UTF-8."""
        return self.data.decode("utf-8") if as_text else self.data

    @property
    def full_path(self) -> str:
        """Path and query, with "?" also when there is none."""
        return f"{self.path}?{self.query_string.decode('latin-1')}"

    @property
    def base_url(self) -> str:
        """The address without its query."""
        return f"http://{self.host}{self.path}"

    @property
    def url(self) -> str:
        """The address."""
        return self.base_url + (f"?{self.query_string.decode('latin-1')}" if self.query_string else "")

    @property
    def args(self) -> Values:
        """The query."""
        return Values(parse_qsl(self.query_string.decode("latin-1"), keep_blank_values=True))

    @property
    def is_json(self) -> bool:
        """Whether the content type is JSON."""
        return is_json(self._request)

    @property
    def json(self) -> Any:
        """The body as JSON. Raises ValueError when it is none."""
        return json.loads(self.data)

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """The body as JSON, whatever its type; with silent None when it is none, else it raises ValueError."""
        try:
            return self.json
        except ValueError:
            if silent:
                return None
            raise

    @property
    def cookies(self) -> dict[str, str]:
        """Names and values, {} when the header is none that can be read."""
        jar: SimpleCookie = SimpleCookie()
        try:
            jar.load(self._request.header(b"cookie"))
        except CookieError:
            return {}
        return {name: morsel.value for name, morsel in jar.items()}

    @property
    def form(self) -> Values:
        """The fields of a form, empty when the body is none."""
        if self.mimetype == "application/x-www-form-urlencoded":
            return Values(parse_qsl(self.data.decode("utf-8"), keep_blank_values=True))
        return Values([(name, content.decode()) for name, filename, content, _ in self._parts() if filename is None])

    @property
    def files(self) -> Values:
        """The files of a form (RFC 7578), empty when the body is none."""
        return Values(
            [
                (name, Upload(content, name, filename, content_type))
                for name, filename, content, content_type in self._parts()
                if filename is not None
            ]
        )

    def _parts(self) -> Iterator[tuple[str, str | None, bytes, str]]:
        if self.mimetype != "multipart/form-data":
            return
        head = f"Content-Type: {self.content_type}\r\n\r\n".encode("latin-1")
        for part in BytesParser(policy=HTTP).parsebytes(head + self.data).iter_parts():
            name = part.get_param("name", header="content-disposition")
            content = part.get_payload(decode=True)
            if isinstance(name, str) and isinstance(content, bytes):
                yield name, part.get_filename(), content, part.get_content_type()


class AMLResponse:
    """What a script may return: sent as it is."""

    def __init__(
        self,
        message: Any,
        status_code: int,
        response_headers: Mapping[str, str] | None = None,
        json_str: bool = False,
        run_function_failed: bool = False,
    ) -> None:
        """With json_str the message is sent as JSON; None is sent as {}; else it is text or bytes."""
        self.status_code = status_code
        as_json = json_str or message is None
        body = json.dumps({} if message is None else message) if as_json else message
        self.data: bytes = body.encode() if isinstance(body, str) else bytes(body)
        given = [(name, part.strip()) for name, value in (response_headers or {}).items() for part in value.split(",")]
        content_type = "application/json" if as_json else "text/html; charset=utf-8"
        self.headers: list[tuple[str, str]] = [
            *([] if any(name == "Content-Type" for name, _ in given) else [("Content-Type", content_type)]),
            ("x-ms-run-function-failed", str(run_function_failed)),
            *given,
        ]

    def get_data(self) -> bytes:
        """The body."""
        return self.data


def is_json(request: Request) -> bool:
    """Whether the content type is application/json or application/*+json, as Flask decides."""
    kind = request.media_type
    return kind == b"application/json" or (kind.startswith(b"application/") and kind.endswith(b"+json"))


def header_items(request: Request) -> list[tuple[str, str]]:
    """Names as WSGI servers give them ("X-Request-Id"); those with an underscore are left out, as gunicorn does."""
    return [
        (name.decode("latin-1").title(), value.decode("latin-1"))
        for name, value in request.raw_headers
        if b"_" not in name
    ]


def headers_of(request: Request) -> dict[str, str]:
    """What `request_headers` is: repeated headers are joined by "," (RFC 3875)."""
    found: dict[str, str] = {}
    for name, value in header_items(request):
        found[name] = f"{found[name]},{value}" if name in found else value
    return found
