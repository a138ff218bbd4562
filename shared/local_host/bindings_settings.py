"""`%NAME%` in a binding's settings stands for the app setting NAME (Azure Functions, "Binding expressions")."""

from __future__ import annotations

import re
from collections.abc import Mapping

from shared.errors import Invalid

_SETTING = re.compile(r"%([^%]*)%")


def resolve_settings(text: str, environ: Mapping[str, str], *, where: str) -> str:
    """`text` with every %NAME% replaced by environ[NAME]. Raises Invalid, naming `where`, for a setting that is not
    there or empty: the host does not start such a function either."""

    def value_of(match: re.Match[str]) -> str:
        value = environ.get(match[1])
        if not value:
            raise Invalid(
                f"{where}: '%{match[1]}%' does not resolve to a value", remedy=f"set {match[1]} in the app settings"
            )
        return value

    return _SETTING.sub(value_of, text)
