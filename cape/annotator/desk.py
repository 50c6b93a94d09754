"""One open project."""

from typing import Any


class Desk:
    """One open project."""

    def __getattr__(self, name: str) -> Any:
        raise NotImplementedError(name)
