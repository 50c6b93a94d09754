"""Ablations: every shipped row is a config that builds, and differs from the others in what it says."""

import json

import pytest
import torch

from cape.ablations import SIZES, Row, ablations, parse_row, parse_rows, rows_of
from cape.configuration import load_config, parse_options
from cape.engine import make_model
from cape.errors import UsageError


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ablations())
def test_rows_build_and_differ(name: str, size: str) -> None:
    rows = parse_rows(rows_of(name, size))  # type: ignore[arg-type]
    configs = []
    for row in rows:
        config = load_config(row.config, parse_options(row.options))
        configs.append(json.dumps([config.model.to_dict(), config.data_fraction, config.start_from], sort_keys=True))
        with torch.device("meta"):
            make_model(config)
    assert len(set(configs)) == len(rows) > 1


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("cape_lite", Row("cape_lite", "cape_lite", ())),
        ("a/b/own.py", Row("own", "a/b/own.py", ())),
        ("x=cape_lite,model.width=8", Row("x", "cape_lite", ("model.width=8",))),
        ("cape_lite,a=(1, 2),b=c", Row("cape_lite", "cape_lite", ("a=(1, 2)", "b=c"))),
        ("x=y,start_from=@z,a=1", Row("x", "y", ("a=1",), "z")),
        ("x=y,start_from=file.safetensors", Row("x", "y", ("start_from=file.safetensors",))),
    ],
)
def test_parse(text: str, row: Row) -> None:
    assert parse_row(text) == row


@pytest.mark.parametrize("text", ["", "=cape_lite", "a b=cape_lite", "x=", "../x=cape_lite"])
def test_no_row(text: str) -> None:
    with pytest.raises(UsageError, match="NAME=CONFIG"):
        parse_row(text)


@pytest.mark.parametrize("rows", [["a", "a"], [], ["b,start_from=@a", "c"], ["a=x,start_from=@a"]])
def test_no_table(rows: list[str]) -> None:
    with pytest.raises(UsageError):
        parse_rows(rows)
