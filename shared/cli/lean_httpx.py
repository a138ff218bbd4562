"""httpx without its own command line tool, whose rich and pygments are half of what importing it costs (60 of 130 ms).

httpx itself takes a missing `httpx._main` for "not installed with the extra `cli`" (httpx/__init__.py).
"""

from __future__ import annotations

import sys

sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # None: importing it raises ImportError

import httpx  # noqa: E402

__all__ = ["httpx"]
