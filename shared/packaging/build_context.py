"""A Dockerfile and all it needs, for those who build elsewhere: Azure ML's package layout, `azureml-app/` and
`azureml-models/<name>/<version>/`."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from shared.environments.lock import LOCK_NAME, read_lock
from shared.errors import Fault, Invalid
from shared.packaging.descriptor import checked_digest
from shared.packaging.entries import Entry, ordered
from shared.packaging.image import ImageConfig

APP_ROOT = "/var/azureml-app"  # AML_APP_ROOT of Azure ML's inference server
MODELS_ROOT = f"{APP_ROOT}/azureml-models"
APP_FOLDER, MODELS_FOLDER = "azureml-app", "azureml-models"
NON_ROOT = "65532:65532"  # "nonroot" of the distroless images
_LOCK_TARGET = f"/opt/slipway/{LOCK_NAME}"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?::[A-Za-z0-9_][A-Za-z0-9_.-]*)?\Z")
_WORKING_DIR = re.compile(r"/[\w./-]*\Z")
_BASE = re.compile(r"[A-Za-z0-9\[][A-Za-z0-9._:/@\[\]-]{0,500}\Z")


@dataclass(frozen=True, slots=True)
class PackagedModel:
    """A model's files, their paths relative to the model's folder."""

    name: str
    version: str
    files: Sequence[Entry]

    @property
    def folder(self) -> str:
        """<name>/<version>"""
        return f"{self.name}/{self.version}"


def model_dir(models: Sequence[PackagedModel]) -> str:
    """What AZUREML_MODEL_DIR is in the image: the one model's folder, or the folder of all of them."""
    return f"{MODELS_ROOT}/{models[0].folder}" if len(models) == 1 else MODELS_ROOT


def write_context(
    folder: Path,
    *,
    base_image: str,
    base_digest: str | None,
    lock: str,
    app: Iterable[Entry],
    models: Sequence[PackagedModel],
    config: ImageConfig,
    python: str = "python3",
) -> Path:
    """Write a build context into `folder`, which is made or must be empty; the Dockerfile's path comes out. The base is
    named by `base_digest` where that is known; packages are installed with `python` of the base from the lock alone,
    hashes required; it runs as `config.user`, or else as 65532, and never as root. The same arguments give the same
    bytes. Raises Invalid for a folder that is not empty, a lock, path or value that cannot be used."""
    dockerfile = _dockerfile(_base(base_image, base_digest), lock, models, config, python)
    entries = [Entry("Dockerfile", dockerfile.encode()), Entry(LOCK_NAME, lock.encode())]
    entries += [replace(entry, target=f"{APP_FOLDER}/{entry.target}") for entry in app]
    for model in models:
        entries += [replace(entry, target=f"{MODELS_FOLDER}/{model.folder}/{entry.target}") for entry in model.files]
    in_order = ordered([Entry(APP_FOLDER, None), *entries])
    if folder.exists() and any(folder.iterdir()):
        raise Invalid(f"{folder} is not empty", remedy="name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    for entry in in_order:
        _write(entry, folder / entry.target)
    return folder / "Dockerfile"


def _write(entry: Entry, path: Path) -> None:
    if entry.link_target is not None:
        path.symlink_to(entry.link_target)
        return
    if entry.source is None:
        path.mkdir()
    elif isinstance(entry.source, Path):
        shutil.copyfile(entry.source, path)
    else:
        path.write_bytes(entry.source)
    path.chmod(entry.written_mode)


def _base(image: str, digest: str | None) -> str:
    if not _BASE.match(image):
        raise Invalid(f"{image[:200]!r} is not the name of an image")
    name, _, named = image.partition("@")
    if digest is None:
        return image
    if named not in ("", checked_digest(digest, "the base image")):
        raise Invalid(f"the base image {image[:200]!r} names another digest than {digest}")
    return f"{name}@{digest}"


def _dockerfile(base: str, lock: str, models: Sequence[PackagedModel], config: ImageConfig, python: str) -> str:
    env = {"AML_APP_ROOT": APP_ROOT, **({"AZUREML_MODEL_DIR": model_dir(models)} if models else {}), **config.env}
    lines = [f"FROM {base}"]
    if read_lock(lock):
        install = [python, "-m", "pip", "install", "--no-cache-dir", "--no-compile", "--no-deps", "--require-hashes",
                   "--requirement", _LOCK_TARGET]  # fmt: skip
        lines += ["ARG PIP_INDEX_URL", f"COPY {LOCK_NAME} {_LOCK_TARGET}", f"RUN {json.dumps(install)}"]
    if models:
        lines.append(f"COPY --chown=0:0 {MODELS_FOLDER}/ {MODELS_ROOT}/")
    lines.append(f"COPY --chown=0:0 {APP_FOLDER}/ {APP_ROOT}/")
    lines += [f"ENV {name}={_quoted(value)}" for name, value in sorted(_checked(env).items())]
    lines += [f"LABEL {_quoted(name)}={_quoted(value)}" for name, value in sorted(config.labels.items())]
    lines += [f"EXPOSE {port}/tcp" for port in config.exposed_ports]
    lines += [f"WORKDIR {_working_dir(config)}", f"USER {_user(config)}"]
    lines += [f"{word} {json.dumps(list(command))}" for word, command in
              (("ENTRYPOINT", config.entrypoint), ("CMD", config.cmd)) if command]  # fmt: skip
    return "\n".join(lines) + "\n"


def _user(config: ImageConfig) -> str:
    user = config.user or NON_ROOT
    name = user.partition(":")[0]
    if name == "root" or not name.strip("0"):
        raise Invalid("the image would run as root", remedy=f"give another user, or none for {NON_ROOT}")
    if not _USER.match(user):
        raise Invalid(f"{user[:100]!r} is not a user (allowed: USER or USER:GROUP)")
    return user


def _working_dir(config: ImageConfig) -> str:
    folder = config.working_dir or APP_ROOT
    if not _WORKING_DIR.match(folder):
        raise Invalid(f"{folder[:100]!r} cannot be a Dockerfile's working directory (allowed: /, letters, digits)")
    return folder


def _checked(env: Mapping[str, str]) -> Mapping[str, str]:
    faults = [Fault(f"{name[:100]!r} is not the name of an environment variable") for name in env
              if not _NAME.match(name)]  # fmt: skip
    if faults:
        raise Invalid("no Dockerfile can be made of this", faults=tuple(faults))
    return env


def _quoted(value: str) -> str:
    """A word of a Dockerfile, in which nothing is substituted. Raises Invalid for line breaks, which it cannot have."""
    if re.search(r"[\x00-\x1f\x7f]", value):
        raise Invalid(
            f"the value {value[:60]!r} cannot be in a Dockerfile", remedy="give it without control characters"
        )
    return '"' + re.sub(r'([\\"$])', r"\\\1", value) + '"'
