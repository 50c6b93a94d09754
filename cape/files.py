"""Writing files so that a kill never leaves half of one."""

import os
import secrets
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from cape.errors import UsageError


def write_atomically(path: str | Path, content: str | bytes) -> Path:
    """Write beside the target, flush to disk, rename: readers see the old file or the new one, whole.

    Args:
        path: Target; its folder is made. A link is followed: what it points to is replaced. The new file has the old
            one's permissions, or those that the umask leaves.
        content: Text (UTF-8) or bytes.

    Raises:
        UsageError: The folder cannot be made or written to, or the target is a folder, a pipe or a device.
    """
    with _beside(Path(path)) as (target, file):
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
        file.close()
        Path(file.name).replace(target)
    return Path(path)


def write_folder_atomically(path: str | Path, files: Mapping[str, str | bytes], *, replace: bool = False) -> Path:
    """Write a whole folder beside the target, flush to disk, rename: readers see the old folder or the new one.

    Replacing takes two renames: a kill between them leaves the old folder whole, under a hidden name beside the target.

    Args:
        path: Target; the folder above it is made. A link is followed.
        files: Content by relative path with forward slashes; folders between are made.
        replace: A folder in the way is removed after the new one stands. Without it only an empty one may be there.

    Raises:
        UsageError: The folder above cannot be made or written to, or something else is in the way.
    """
    temporary = None
    try:
        target = Path(path).resolve()
        old = target.exists()
        if old and not target.is_dir():
            raise OSError("a file")
        if old and not replace and any(target.iterdir()):
            raise OSError("a folder that is not empty")
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".cape-{secrets.token_hex(8)}")
        temporary.mkdir()
        for name, content in files.items():
            _write_flushed(temporary / name, content)
        if old:
            temporary.chmod(stat.S_IMODE(target.stat().st_mode))
            _exchange(temporary, target)
        else:
            temporary.rename(target)
    except (OSError, RuntimeError, ValueError) as error:
        raise UsageError(
            str(path), expected="a folder that can be written", got=str(error), fix="Choose another."
        ) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    return Path(path)


def _write_flushed(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())


def _exchange(new: Path, target: Path) -> None:
    """Put a folder in another's place; what was there is removed last, and put back where the second step fails."""
    aside = target.with_name(f".cape-{secrets.token_hex(8)}")
    target.rename(aside)
    try:
        new.rename(target)
    except BaseException:
        aside.rename(target)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def check_writable(path: str | Path) -> None:
    """Raise now what `write_atomically` would raise after minutes of work; makes the folder, leaves the target alone.

    Raises:
        UsageError: As `write_atomically`.
    """
    with _beside(Path(path)):
        pass


@contextmanager
def _beside(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """The target behind all links, and a new file beside it, which is gone afterwards unless it was renamed."""
    temporary = None
    try:
        target = path.resolve()
        old = target.stat().st_mode if target.exists() else None
        if old is not None and not stat.S_ISREG(old):
            raise OSError("a folder, a pipe or a device")
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".cape-{secrets.token_hex(8)}")
        with temporary.open("xb") as file:
            if old is not None:
                temporary.chmod(stat.S_IMODE(old))
            yield target, file
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: links in a circle
        raise UsageError(
            str(path), expected="a file that can be written", got=str(error), fix="Choose another."
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
