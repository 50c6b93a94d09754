"""Writing files so that a kill never leaves half of one."""

import os
import tempfile
from pathlib import Path

from cape.errors import UsageError


def write_atomically(path: str | Path, content: str | bytes) -> Path:
    """Write beside the target, flush to disk, rename: readers see the old file or the new one, whole.

    Args:
        path: Target; its folder is made.
        content: Text (UTF-8) or bytes.

    Raises:
        UsageError: The folder cannot be made or written to.
    """
    path = Path(path)
    data = content.encode() if isinstance(content, str) else content
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = Path(file.name)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise UsageError(
            str(path), expected="a file that can be written", got=str(error), fix="Choose another."
        ) from error
    return path
