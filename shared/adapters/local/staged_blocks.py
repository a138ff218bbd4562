"""Blocks of blobs that arrive in parts: data_dir/blocks/{blob}/{block id}. All of it blocks: use a thread."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import shutil
import time
from pathlib import Path

from shared.adapters.local.blob_folders import open_blob, publish
from shared.adapters.local.partial_file import PartialFile
from shared.errors import BadRequest, NotFound
from shared.ports import Container

FOLDER = "blocks"
MAX_BLOCKS = 50_000  # Put Block List (REST API reference)
MAX_ID_BYTES = 64
UNCOMMITTED_LIFE_S = 7 * 24 * 3600  # Azure discards uncommitted blocks after a week
_COPY_BYTES = 4 << 20
_LIST = re.compile(r"\s*(?:<\?xml[^>]*\?>)?\s*<BlockList>(.*)</BlockList>\s*\Z", re.DOTALL)
_ITEM = re.compile(r"\s*<(Latest|Uncommitted)>([A-Za-z0-9+/=]*)</\1>")


def stage_block(data_dir: Path, container: Container, path: str, block_id: str, file: PartialFile) -> str:
    """Keep a received block (replacing one of the same id); its SHA-256. Raises BadRequest for a bad id."""
    name = _block_name(block_id)
    sha256, _ = file.seal()
    publish(file, data_dir / FOLDER, f"{_blob_name(container, path)}/{name}")
    return sha256


def assemble(data_dir: Path, container: Container, path: str, block_ids: list[str], file: PartialFile) -> None:
    """Append the blocks in this order. Raises BadRequest when one was never staged."""
    for block_id in block_ids:
        try:
            with open_blob(data_dir / FOLDER, f"{_blob_name(container, path)}/{_block_name(block_id)}") as descriptor:
                offset = 0
                while data := os.pread(descriptor, _COPY_BYTES, offset):
                    file.write(data)
                    offset += len(data)
        except NotFound as error:
            raise BadRequest(
                f"the block {block_id} was not uploaded", remedy="upload it, then send the list"
            ) from error


def discard_blocks(data_dir: Path, container: Container, path: str) -> None:
    """Remove all blocks of a blob; nothing happens when there are none."""
    shutil.rmtree(data_dir / FOLDER / _blob_name(container, path), ignore_errors=True)


def remove_stale_blocks(data_dir: Path) -> None:
    """Remove the blocks of blobs to which none was added for a week."""
    folder = data_dir / FOLDER
    for entry in os.scandir(folder) if folder.is_dir() else ():
        if time.time() - entry.stat(follow_symlinks=False).st_mtime > UNCOMMITTED_LIFE_S:
            shutil.rmtree(entry.path, ignore_errors=True)


def parse_block_list(document: bytes) -> list[str]:
    """The block ids of a Put Block List body, in order. Raises BadRequest when it is no such document, or names
    committed blocks, which are not kept here."""
    match = _LIST.match(document.decode("utf-8", "replace"))
    if match is None:
        raise BadRequest("the body is not a block list (allowed: <BlockList><Latest>ID</Latest>...</BlockList>)")
    body, ids, position = match[1], [], 0
    while item := _ITEM.match(body, position):
        ids.append(item[2])
        position = item.end()
    if body[position:].strip() or len(ids) > MAX_BLOCKS:
        raise BadRequest(f"the block list is wrong at character {position} (allowed: up to {MAX_BLOCKS} Latest items)")
    return ids


def _block_name(block_id: str) -> str:
    try:
        decoded = base64.b64decode(block_id, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequest("the block id is not base64") from error
    if not 0 < len(decoded) <= MAX_ID_BYTES:
        raise BadRequest(f"the block id is {len(decoded)} bytes long (allowed: 1 to {MAX_ID_BYTES})")
    return decoded.hex()


def _blob_name(container: Container, path: str) -> str:
    return hashlib.sha256(f"{container}/{path}".encode()).hexdigest()
