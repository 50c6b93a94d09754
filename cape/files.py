"""Writing files so that a kill never leaves half of one."""

import os
import secrets
import stat
from collections.abc import Iterator
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
