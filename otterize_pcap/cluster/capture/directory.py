"""The capture directory of one run: made, closed with its manifest, or taken away again."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from otterize_pcap.capture_dir import (
    Manifest,
    encode_manifest,
    manifest_path,
    nodes_dir,
    pcap_dir,
    snapshot_path,
)
from otterize_pcap.errors import ClusterError
from otterize_pcap.files.writing import ANYBODY, private_directory, write_whole
from otterize_pcap.system_errors import system_reason


def prepare_directory(directory: Path) -> None:
    """Make the capture directory, with the rights that the umask leaves (`rights_of`).

    Its pcap folder must not hold another capture.

    Raises:
        ClusterError: It cannot be written, or is not empty.
    """
    is_new = not directory.exists()
    try:
        if not is_new and any(directory.iterdir()):
            message = f"{directory} is not empty; give another directory with -o"
            raise ClusterError(message)
        private_directory(pcap_dir(directory))
    except OSError as error:
        if is_new:
            _take_away_empty(directory)
        message = f"{directory}: {system_reason(error)}; give another directory with -o"
        raise ClusterError(message) from error


def close_directory(directory: Path, snapshot: bytes, manifest: Manifest) -> None:
    """Write snapshot and manifest; the manifest also where there is no room for the snapshot.

    Raises:
        ClusterError: One of them could not be written; the other one is there, if anything was
            recorded.
    """
    troubles = []
    for path, document in (
        (snapshot_path(directory), snapshot),
        (manifest_path(directory), encode_manifest(manifest)),
    ):
        try:
            write_whole(path, document, ANYBODY)
        except OSError as error:
            troubles.append(f"{path}: {system_reason(error)}")
    if troubles and any(pcap_dir(directory).iterdir()):
        message = f"{'; '.join(troubles)}; what was recorded is in {pcap_dir(directory)}"
        raise ClusterError(message)
    if troubles:
        snapshot_path(directory).unlink(missing_ok=True)
        manifest_path(directory).unlink(missing_ok=True)
        discard(directory)
        message = f"{'; '.join(troubles)}; nothing was recorded; give another directory with -o"
        raise ClusterError(message)
    sync_directory(directory)


def sync_directory(directory: Path) -> None:
    """Make renames durable, as far as the file system can."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:
        return
    finally:
        os.close(handle)


def discard(directory: Path) -> None:
    """Remove what an abandoned capture wrote; the directory goes only if that was all."""
    for folder in (pcap_dir(directory), nodes_dir(directory)):
        shutil.rmtree(folder, ignore_errors=True)
    _take_away_empty(directory)


def _take_away_empty(directory: Path) -> None:
    # It is not empty, not there, or nobody's to remove.
    with suppress(OSError):
        directory.rmdir()
