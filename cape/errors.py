"""The errors of cape, all children of `CapeError`.

    CapeError
    ├── DataError            what a user's files hold
    │   ├── AnnotationError      an annotation file or a record in it
    │   ├── FormatError          labels that a file format cannot hold
    │   ├── PictureError         a picture that is missing, corrupt or too large
    │   ├── SkeletonError        names, edges or swap pairs that do not fit together
    │   └── TextError            a text pack or a list of keypoint names
    ├── PromptError          a support set that cannot be used
    ├── UsageError           flags or arguments that do not go together
    └── DependencyError      an installed package that is missing, broken or of the wrong version

Each message has three parts: what was expected, what came, and what to do about it. The constructor asks for all
three, so that none is forgotten.
"""


class CapeError(Exception):
    """Base of all errors that cape raises on purpose.

    Args:
        where: The thing at fault, as the user knows it (a file, a record, a flag).
        expected: What would have been right.
        got: What came instead.
        fix: What to do about it, as an instruction.

    With `where` alone it is the whole message: so torch rebuilds an error that came from a data-loading worker. A test
    sees to it that cape itself always gives all four.
    """

    def __init__(
        self, where: str, *, expected: str | None = None, got: str | None = None, fix: str | None = None
    ) -> None:
        parts = {"expected": expected, "got": got, "fix": fix}
        missing = [name for name, part in parts.items() if part is None]
        if 0 < len(missing) < len(parts):
            raise TypeError(f"{type(self).__name__} also needs {', '.join(missing)}")
        # Words of other libraries may end in a full stop of their own
        said = "" if got is None else got.removesuffix(".")
        super().__init__(where if missing else f"{where}: expected {expected}, got {said}. {fix}")
        self.where, self.expected, self.got, self.fix = where, expected, got, fix

    def __reduce__(self) -> tuple:
        """Keyword-only arguments do not survive pickling by themselves."""
        return _rebuild, (type(self), self.where, self.expected, self.got, self.fix)


def _rebuild(kind: type[CapeError], where: str, expected: str | None, got: str | None, fix: str | None) -> CapeError:
    return kind(where, expected=expected, got=got, fix=fix)


class DataError(CapeError):
    """Something in a user's files is wrong."""


class AnnotationError(DataError):
    """An annotation file, or one record in it, cannot be used."""


class FormatError(DataError):
    """Labels that a file format cannot hold, or that are not legal in any."""


class PictureError(DataError):
    """A picture is missing, corrupt or larger than the limit."""


class SkeletonError(DataError):
    """Keypoint names, edges, swap pairs or parts do not fit together."""


class TextError(DataError):
    """A text pack or a list of keypoint names does not fit its category."""


class PromptError(CapeError):
    """A support set cannot be used: nothing visible, or lengths that disagree."""


class UsageError(CapeError):
    """Flags or arguments do not go together."""


class DependencyError(CapeError):
    """An installed package is missing, broken or of a version that cannot work."""
