"""Whom monitors can tell, and the secrets for it, from the settings and the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cache

from pydantic import TypeAdapter

from shared.errors import Invalid
from shared.resources.notification import NotifierDeclaration, SmtpNotifier
from shared.setting_lists import load_named

SETTING = "SLIPWAY_NOTIFIERS"
_SECRET = "SLIPWAY_NOTIFIER_SECRET_"  # noqa: S105 - the beginning of names
_ONE: TypeAdapter[NotifierDeclaration] = TypeAdapter(NotifierDeclaration)


@cache
def load_notifiers(setting: str) -> dict[str, NotifierDeclaration]:
    """The notifiers in `setting` (a file's path, or JSON that starts with `[`), by name; {} when it is empty. Raises
    Invalid with every fault; the faults never hold a value."""
    return load_named(SETTING, setting, "notifiers", _ONE)


def mail_of(notifiers: Mapping[str, NotifierDeclaration]) -> SmtpNotifier | None:
    """The mail server that the addresses of monitors are mailed by: the first there is; None for none."""
    return next((one for one in notifiers.values() if isinstance(one, SmtpNotifier)), None)


def notifier_secret(name: str, environ: Mapping[str, str] = os.environ) -> str:
    """The secret of this name, read anew each time. Raises Invalid, which names its variable, when it is not set."""
    variable = f"{_SECRET}{re.sub(r'[^A-Z0-9]', '_', name.upper())}"
    if not environ.get(variable):
        raise Invalid(f"a notifier names the secret {name}, but {variable} is not set", remedy=f"set {variable}")
    return environ[variable]
