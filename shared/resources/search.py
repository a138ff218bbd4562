"""What a resource can be found by: short texts, indexed by every ResourceStore, that a query names exactly.

A search is an AND of such terms. Words are whole words without regard to case; there is no search inside of a word.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from shared.resources.base import Resource

ACTIVE = "active"  # the term of what is not archived
NOT_SEARCHED = frozenset(
    {"upload", "sync", "git-ref", "registration", "tombstone", "lease"}
)  # kinds that are only read by their key
MAX_WORDS = 64
MAX_TERM_CHARACTERS = 512
_FIELDS = {
    "framework": "framework",
    "run_id": "run",
    "experiment_name": "experiment",
    "type": "type",
    "stage": "stage",
    "monitor": "monitor",
    "collected_on": "collected_on",
    "deployment": "deployment",
}
_DATASETS = ("datasets", "inputs", "outputs")
_WORD = re.compile(r"\w+")


def tag_term(key: str, value: str | None = None) -> str:
    """Has the tag; with a value: has it with this value."""
    return _term("tag", key, value)


def property_term(key: str, value: str | None = None) -> str:
    """Has the property; with a value: has it with this value."""
    return _term("property", key, value)


def field_term(name: str, value: str) -> str:
    """Has this value in a field of its kind: framework, run, dataset, label, type, stage, experiment, monitor,
    collected_on, deployment."""
    return _cut(f"{name}:{value}")


def reference_term(target: str) -> str:
    """Refers to the resource `target` (KIND/NAME:VERSION)."""
    return _cut(f"ref:{target}")


def words_of(text: str) -> list[str]:
    """The words that a text is found by, in lower case, each once."""
    return list(dict.fromkeys(word.casefold() for word in _WORD.findall(text)))


def word_term(word: str) -> str:
    """Has this word in its name, description, tags or properties."""
    return _cut(f"word:{word.casefold()}")


def terms_of(resource: Resource) -> tuple[str, ...]:
    """Every term of the resource, each once, sorted; () for a kind that is not searched."""
    if resource.kind in NOT_SEARCHED:
        return ()
    terms: set[str] = set()
    for make, values in ((tag_term, resource.tags), (property_term, resource.properties)):
        for key, value in values.items():
            terms |= {make(key), make(key, value)}
    terms |= {word_term(word) for word in _all_words(resource)[:MAX_WORDS]}
    terms |= set(_of_kind(resource.spec, resource.status))
    if not resource.status.get("archived"):
        terms.add(ACTIVE)
    return tuple(sorted(terms))


def references_of(resource: Resource) -> tuple[str, ...]:
    """The resources it refers to, as KIND/NAME:VERSION, each once, sorted."""
    return tuple(sorted(set(resource.spec.get("references") or ())))


def _of_kind(spec: Mapping[str, Any], status: Mapping[str, Any]) -> Iterable[str]:
    for field, name in _FIELDS.items():
        if isinstance(spec.get(field), str) and spec[field]:
            yield field_term(name, spec[field])
    for field in _DATASETS:
        for dataset in spec.get(field) or ():
            yield field_term("dataset", dataset["reference"])
    for label in status.get("labels") or ():
        yield field_term("label", label)


def _all_words(resource: Resource) -> list[str]:
    texts = [resource.name, resource.description or "", *resource.tags.values(), *resource.tags, *resource.properties]
    return words_of(" ".join([*texts, *resource.properties.values()]))


def _term(kind: str, key: str, value: str | None) -> str:
    return _cut(f"{kind}:{key}" if value is None else f"{kind}:{key}={value}")


def _cut(term: str) -> str:
    """A long term is indexed by its beginning and its digest, so that it still names one value only."""
    if len(term) <= MAX_TERM_CHARACTERS:
        return term
    return f"{term[: MAX_TERM_CHARACTERS - 65]}#{hashlib.sha256(term.encode(errors='replace')).hexdigest()}"
