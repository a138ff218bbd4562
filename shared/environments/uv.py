"""Running uv: its environment, its time limit, and its words for people."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from shared.environments.running import Finished, run_streamed
from shared.errors import Invalid, Permanent, Retryable

# What uv may see of this process: never Slipway's own settings, keys and tokens.
_PASSED = ("PATH", "HOME", "TMPDIR", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")
_PASSED_PREFIXES = ("UV_", "PIP_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
_TRANSIENT = re.compile(
    r"error sending request|connection (?:refused|reset|closed)|timed? ?out|dns error|(?:429|502|503|504) |"
    r"failed to fetch|request failed after",
    re.IGNORECASE,
)
_DECORATION = re.compile(r"^[\s×╰─▶│├·]+|\s+$")
MAX_REASON = 2000


def uv_path() -> str:
    """Where uv is. Raises Permanent when it is not installed."""
    try:
        from uv import find_uv_bin

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError) as error:
        if found := shutil.which("uv"):
            return found
        raise Permanent("uv is not installed here", remedy="install Slipway's requirements again") from error


def uv_environment(index_url: str, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment variables uv runs with; with `index_url` it asks only there."""
    source = os.environ if environ is None else environ
    kept = {key: value for key, value in source.items() if key in _PASSED or key.startswith(_PASSED_PREFIXES)}
    if index_url:
        kept = {key: value for key, value in kept.items() if "INDEX" not in key}
        kept |= {"UV_DEFAULT_INDEX": index_url}
    return {**kept, "UV_NO_PROGRESS": "1", "NO_COLOR": "1"}


async def run_uv(
    arguments: Sequence[str],
    folder: Path,
    *,
    index_url: str,
    timeout_s: float,
    say: Callable[[str], None] = lambda line: None,
) -> Finished:
    """Run uv in `folder`; `say` is called with each line it prints. The process group ends with this call, also when
    it is cancelled. Raises Retryable when the time is over."""
    try:
        return await run_streamed((uv_path(), *arguments), folder, uv_environment(index_url), timeout_s, say)
    except TimeoutError as error:
        raise Retryable(f"uv took longer than {timeout_s:.0f} s") from error


def failure(text: str, what: str) -> Invalid | Retryable:
    """The error for what uv printed: its own reason, in one readable line. Retryable when the index did not answer."""
    words = [_DECORATION.sub("", line) for line in text.splitlines()]
    reason = " ".join(word for word in words if word and not word.startswith(("Using ", "Resolved ", "Creating ")))
    reason = re.sub(r"^(?:error:\s*)?(?:No solution found when resolving dependencies:?\s*(?:cause:\s*)?)?", "", reason)
    shown = reason if len(reason) <= MAX_REASON else f"{reason[:MAX_REASON]}..."
    if _TRANSIENT.search(text):
        return Retryable(f"{what}: the package index did not answer: {shown}")
    return Invalid(f"{what}: {shown}")
