"""File systems that fail: small, full or read-only ones, as any machine may have them."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(size: int, options: str = "") -> Iterator[Path]:
    """A tmpfs of so many bytes, mounted for as long as the block lasts.

    Skips the test, and says so, where this process may not mount.
    """
    with tempfile.TemporaryDirectory() as folder:
        asked = ",".join(part for part in (f"size={size}", options) if part)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", asked, "tmpfs", folder], capture_output=True, check=False
        )
        if done.returncode:
            pytest.skip(f"no file system may be mounted here (uid {os.getuid()})")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "-l", folder], check=True)
