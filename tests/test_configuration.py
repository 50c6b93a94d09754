"""Configs: found, changed, refused."""

from pathlib import Path

import pytest

from cape.configuration import load_config, parse_options
from cape.errors import UsageError


def test_facts_have_defaults_and_flags_win(minimal_config: Path) -> None:
    config = load_config(minimal_config, {"split": 4, "model.width": 32})
    assert (config.split, config.model.width, config.seed, config.shots) == (4, 32, 0, 1)
    assert load_config(minimal_config, {"text_pack": "none"}).text_pack is None


def test_a_shipped_config_is_found_by_name() -> None:
    assert load_config("cape_flf_split3").split == 3
    assert load_config("cape_visual.py").model.text is None


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("cape_flf_splti3", None, ["cape_flf_split3", "cape_flf_splti3"]),
        ("x.py", "splt = 3\n", ["'splt'", "split"]),
        ("x.py", "model = dict(\n", ["SyntaxError"]),
        ("x.py", "value = 1 / 0\n", ["ZeroDivisionError"]),
        ("x.py", "_base_ = ['nowhere.py']\n", ["nowhere.py"]),
        ("x.json", "{", ["JSONDecodeError"]),
        ("x.txt", "split = 1", ["x.txt"]),
    ],
)
def test_what_is_no_config_is_refused(tmp_path: Path, refused, name: str, text: str | None, words: list[str]) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with refused(UsageError, *words):
        load_config(name if text is None else path)


def test_options() -> None:
    options = parse_options(
        ["model.width=64", "text_pack=none", "train_cfg.max_epochs=3", "a=x=y", "b=[1, 2]", "c=", "d=False", "e=true"]
    )
    assert options == {
        "model.width": 64, "text_pack": "none", "train_cfg.max_epochs": 3, "a": "x=y", "b": [1, 2], "c": "",
        "d": False, "e": True,
    }  # fmt: skip


@pytest.mark.parametrize("pair", ["width", "=3"])
def test_options_without_a_value_are_refused(refused, pair: str) -> None:
    with refused(UsageError, "KEY=VALUE"):
        parse_options([pair])
