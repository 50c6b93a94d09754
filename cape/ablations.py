"""Rows of a table: configs, configs with changed options, and the paper's ablations as lists of them."""

import json
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Literal, NamedTuple

from cape.errors import UsageError

SIZES = {
    "full": {role: f"cape_{role}" for role in ("flf", "dlf", "visual", "text", "plugin")}
    | {role: f"cape_flf_{role}" for role in ("hgnn", "hgnn_cim")}
    | {"cigpose": "cigpose-l_8xb32-420e_coco-wholebody-384x288"},
    "lite": {role: f"cape_lite_{role}" for role in ("dlf", "visual", "text", "plugin", "hgnn", "hgnn_cim")}
    | {"flf": "cape_lite", "cigpose": "cigpose_lite"},
}
"""Which config plays which part in an ablation."""


class Row(NamedTuple):
    """What is trained for one row of a table."""

    name: str
    config: str
    options: tuple[str, ...]
    """KEY=VALUE."""
    start: str | None = None
    """The row whose best weights, of the same split and seed, this one starts from."""


def parse_row(text: str) -> Row:
    """`CONFIG`, `CONFIG,KEY=VALUE,...` or `NAME=CONFIG,KEY=VALUE,...`; `start_from=@NAME` waits for that row's weights.

    Raises:
        UsageError: Anything else.
    """
    head, *options = re.split(r",(?=[\w.]+=)", text)
    name, sign, config = head.partition("=")
    row = Row(name, config, tuple(options)) if sign else Row(Path(head).stem, head, tuple(options))
    if not re.fullmatch(r"[\w.-]+", row.name) or not row.config:
        raise UsageError(
            "row", expected="CONFIG or NAME=CONFIG, then ,KEY=VALUE", got=repr(text),
            fix="For example literal=cape_lite,model.alignment.pairing=none.",
        )  # fmt: skip
    starts = [option.partition("=@")[2] for option in options if option.startswith("start_from=@")]
    kept = tuple(option for option in options if not option.startswith("start_from=@"))
    return row._replace(options=kept, start=starts[-1] if starts else None)


def ablations() -> dict[str, dict]:
    """The shipped ablations: name → `about` and `rows`."""
    return json.loads((resources.files("cape.configs") / "ablations.json").read_text(encoding="utf-8"))


def rows_of(ablation: str, size: Literal["full", "lite"]) -> list[str]:
    """The rows of an ablation, for `parse_row`.

    Raises:
        UsageError: There is no such ablation.
    """
    known = ablations()
    if ablation not in known:
        raise UsageError("--ablation", expected=", ".join(known), got=ablation, fix="Choose one of them.")
    return [row.format(**SIZES[size]) for row in known[ablation]["rows"]]


def parse_rows(texts: Sequence[str]) -> list[Row]:
    """All rows of a table.

    Raises:
        UsageError: None, two of one name, or one that starts from a row that is not there.
    """
    rows = [parse_row(text) for text in texts]
    names = [row.name for row in rows]
    if not rows or len(set(names)) < len(names):
        raise UsageError(
            "CONFIGS", expected="rows of different names", got=", ".join(names) or "none",
            fix="Name them, NAME=CONFIG, or give --ablation.",
        )  # fmt: skip
    for row in rows:
        if row.start is not None and row.start not in {other.name for other in rows if other.start is None}:
            raise UsageError(row.name, expected=f"a row {row.start} to start from", got=", ".join(names), fix="Add it.")
    return rows
