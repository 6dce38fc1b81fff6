"""Replace a whole folder in one step: all or nothing, whenever it is killed.

The new folder is made and synced beside the old one, then the kernel swaps
the two names (``renameat2`` with ``RENAME_EXCHANGE``). A reader that holds the
old folder open goes on reading the old files; one that opens it now sees the
new. What a killed writer left beside the folder is swept by the next one.

An old folder is taken apart only once the disk has confirmed its new name:
else a power cut could give it back its old name without its files.
"""

from __future__ import annotations

import contextlib
import glob
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from vqcast.durable import disk
from vqcast.durable.files import make_folders, write_new
from vqcast.errors import InputError

_REMOVED_PREFIX = ".vqcast-removed-"


def _staging_prefix(target: Path) -> str:
    return f".{target.name}.staged-"


def _take_apart(folder: Path) -> None:
    """Remove a folder and all in it, as far as that is possible."""
    with contextlib.suppress(OSError):
        with os.scandir(folder) as entries:
            found = list(entries)
        for entry in found:
            if entry.is_dir(follow_symlinks=False):
                _take_apart(Path(entry))
            else:
                with contextlib.suppress(OSError):
                    disk.current.unlink(Path(entry))
        disk.current.remove_folder(folder)


def _sweep(parent: Path, prefix: str) -> None:
    """Take apart what was left under names of ``prefix``. Raises OSError."""
    left = list(parent.glob(f"{glob.escape(prefix)}*"))
    if left:
        disk.current.sync_folder(parent)
    for folder in left:
        _take_apart(folder)


def remove_folder(folder: Path) -> None:
    """Remove a folder and all in it, as far as that is possible; its name goes first."""
    with contextlib.suppress(OSError):
        disk.current.rename(folder, folder.parent / f"{_REMOVED_PREFIX}{secrets.token_hex(8)}")
        _sweep(folder.parent, _REMOVED_PREFIX)


def _stage(staged: Path, files: Mapping[str, bytes]) -> None:
    """Write and sync ``files`` into the new folder ``staged``. Raises OSError."""
    disk.current.make_folder(staged)
    disk.current.set_mode(staged, 0o755)
    inner = {parent for name in files for parent in Path(name).parents} - {Path()}
    for folder in sorted(inner):
        disk.current.make_folder(staged / folder)
    for name, data in files.items():
        write_new(staged / name, data)
    for folder in (Path(), *inner):
        disk.current.sync_folder(staged / folder)


def replace_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Make ``target`` hold exactly ``files`` (relative names to bytes).

    The caller holds the lock of ``target``. Raises InputError where the parent
    can't be written or its filesystem can't swap folders; the old folder then
    stands untouched. Where only the disk's confirmation fails, the new one
    stands, and may go again in a power cut.
    """
    target = Path(os.path.realpath(target))
    staged = target.parent / f"{_staging_prefix(target)}{secrets.token_hex(8)}"
    swapped = False
    try:
        make_folders(target.parent)
        _sweep(target.parent, _staging_prefix(target))
        _stage(staged, files)
        if target.exists():
            disk.current.exchange(staged, target)
        else:
            disk.current.rename(staged, target)
        swapped = True
        disk.current.sync_folder(target.parent)
        _take_apart(staged)
    except OSError as error:
        done = "was replaced, but the disk did not confirm it" if swapped else "can't be replaced"
        raise InputError(
            f"{done}: {error.strerror}",
            path=target,
            hint="check rights and free space; the file system must be able to swap folders, "
            "and a mount point can't be swapped",
        ) from error
    finally:
        if not swapped:
            _take_apart(staged)
