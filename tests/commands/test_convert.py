"""`cape convert`: which config a checkpoint fits, and everything that is not a whole, honest, finite one."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from cape.checkpoints import read_header, read_weights, save_weights
from cape.commands import convert as command
from cape.commands.convert import main
from cape.configuration import load_config, parse_options
from cape.engine import make_model
from cape.released import SOURCES, convert, differences, looks_like, some, text_encoder

State = dict[str, Tensor]
GTE, CLIP = "encoder.layer.0.attention.qkv_proj.weight", ("token_embedding.weight", "visual.proj")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """GraphCape in small, as a config."""
    swin = {"embed_dim": 3, "depths": (1, 1, 2, 1), "num_heads": (1, 1, 1, 1), "window_size": 4, "img_size": 128}
    model = {
        "width": 16,
        "visual": {"name": "swinv2_tiny_window16_256", "options": {**swin, "drop_path_rate": 0.0}},
        "matching": {"heads": 2, "hidden": 48, "gate": 8},
        "decoder": {"heads": 2, "graph": {"hidden": 48}},
    }
    path = tmp_path / "small.py"
    path.write_text(f'_base_ = "{Path(__file__).parents[2]}/configs/graphcape.py"\nmodel = {model!r}\n')
    return path


@pytest.fixture
def state(small: Path, official_head, official_swin) -> State:
    network = make_model(load_config(small)).visual.network
    return {**{f"backbone.{key}": value for key, value in official_swin(network).items()}, **official_head()}


@pytest.fixture
def attempt(small: Path, tmp_path: Path) -> Callable[..., tuple[int, Path]]:
    """`attempt(content)`: write it, convert it; the status, and where the result is or is not."""

    def run(content: object, *more: str, source: str = "graphcape", split: tuple[str, ...] = ("--split", "3")):
        path, out = tmp_path / "published.pth", tmp_path / "ours.safetensors"
        torch.save(content, path)
        arguments = [source, str(path), str(out), "--config", str(small), "--allow-pickle", *split, *more]
        return main(arguments), out

    return run


# ---- what comes out


def test_a_whole_model(state: State, small: Path, attempt, capsys) -> None:
    status, out = attempt({"state_dict": {**state, "backbone.head.bias": torch.zeros(1000)}, "meta": {"epoch": 200}})
    assert status == 0
    printed = capsys.readouterr().out
    written = read_weights(out)
    numbers = sum(value.numel() for value in written.values())
    assert f"{len(written)} tensors, {numbers:,} numbers" in printed
    assert "which no pose model uses (1)." in printed and "cape test small" in printed
    assert f"{read_header(out)['source_sha256']}" in printed
    assert not differences(written, make_model(load_config(small)).state_dict())
    graph = "keypoint_head.transformer.decoder.layers.1.ffn1.conv.weight"
    assert torch.equal(written["decoder.layers.1.graph.first.maps.weight"], state[graph][..., 0])
    merging = "backbone.layers.0.downsample.reduction.weight"
    assert torch.equal(written["visual.network.layers.1.downsample.reduction.weight"], state[merging])


@pytest.mark.parametrize("source", SOURCES)
def test_the_shipped_configs_are_told_apart(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is the only one of its source that its own weights fit; nothing is computed."""
    options = list(SOURCES[source].options)
    built = {}
    for name in SOURCES[source].configs:
        config = load_config(name, parse_options(options))
        with torch.device("meta"):
            built[config.filename] = make_model(config)
    monkeypatch.setattr("cape.engine.make_model", lambda config: built[config.filename])
    for name, model in zip(SOURCES[source].configs, built.values(), strict=True):
        own = dict(model.named_modules())[SOURCES[source].part]
        found = command._fit(source, convert(source, {})._replace(state=own.state_dict()), None, options, where="x")
        assert found.name == name


@pytest.mark.parametrize("name", ["graphcape", "capex"])
def test_shipped_configs_are_the_official_model(name: str) -> None:
    """The switches that leave no trace in shapes."""
    model = load_config(name).model
    assert model.matching.aligned is False and model.decoder.one_path is False
    assert (model.decoder.graph.mode, model.decoder.graph.weighting) == ("pre", "sender")
    assert (model.support is None) == (name == "capex") and (model.text is None) == (name == "graphcape")


def test_half_precision_and_shared_memory(state: State, attempt) -> None:
    """Tied output layers (`share_kpt_branch`) are one storage in a pickle."""
    for key in list(state):
        if ".kpt_branch.1." in key:
            state[key] = state[key.replace("branch.1", "branch.0")]
        if key.endswith("input_proj.weight"):
            state[key] = state[key].half()
    status, out = attempt(state)
    assert status == 0
    written = read_weights(out)
    assert {value.dtype for value in written.values()} == {torch.float32}
    assert torch.equal(written["decoder.offsets.1.0.weight"], written["decoder.offsets.0.0.weight"])


def test_safetensors_need_no_permission(state: State, small: Path, tmp_path: Path) -> None:
    path, out = tmp_path / "published.safetensors", tmp_path / "ours.safetensors"
    save_weights(path, state, about={})
    assert main(["graphcape", str(path), str(out), "--config", str(small), "--split", "1"]) == 0


# ---- what is refused: keys, shapes, values


def without(state: State, key: str) -> State:
    return {name: value for name, value in state.items() if name != key}


KEY = "keypoint_head.transformer.decoder.norm.bias"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda state: without(state, KEY), ["decoder.norm.bias is missing"]),
        (lambda state: {**without(state, KEY), f"{KEY}s": state[KEY]}, ["decoder.norm.bias is missing", "biass"]),
        (lambda state: {**without(state, KEY), "keypoint_head.mystery": state[KEY]}, ["keypoint_head.mystery"]),
        (lambda state: {**state, KEY: torch.zeros(7)}, ["decoder.norm.bias has shape (7,), not (16,)"]),
        (lambda state: {**state, KEY: torch.full((16,), torch.nan)}, ["finite", KEY]),
        (lambda state: {**state, KEY: torch.full((16,), torch.inf)}, ["finite", KEY]),
        (lambda state: {**state, KEY: torch.zeros(16, dtype=torch.int64)}, ["finite", KEY]),
        (lambda state: {**state, KEY: torch.zeros(1).expand(10**12)}, ["shape (1000000000000,)"]),
        (lambda state: {**state, "encoder_sample.norm.bias": torch.zeros(24)}, ["two keys", "encoder_sample.norm"]),
        (lambda state: {**state, "encoder_query.conv1.weight": torch.zeros(1)}, ["encoder_query"]),
        (lambda state: {**state, "n": 3}, ["'n', a int", "dictionary of tensors"]),
        (
            lambda state: {**state, "backbone.layers.0.blocks.0.attn.relative_coords_table": torch.zeros(1, 15, 15, 2)},
            ["relative_coords_table has shape (1, 15, 15, 2), not (1, 7, 7, 2)"],
        ),
        (
            lambda state: {key: state[key] for key in state if key.startswith("keypoint_head")},
            ["visual.network.patch_embed.proj.weight is missing", "more"],
        ),
        (lambda state: {}, ["an empty one"]),
        (lambda state: [1, 2], ["list"]),
    ],
)
def test_not_the_whole_model(state: State, attempt, capsys, spoil, words: list[str]) -> None:
    status, out = attempt(spoil(state))
    error = capsys.readouterr().err
    assert status == 1 and not out.exists()
    assert error.startswith("DataError")
    for word in words:
        assert word in error


def test_many_keys_are_counted(state: State, attempt, capsys) -> None:
    mysteries = {f"keypoint_head.mystery.{number}": torch.zeros(1) for number in range(9)}
    assert attempt({**state, **mysteries})[0] == 1
    error = capsys.readouterr().err
    assert "mystery.0, keypoint_head.mystery.1, keypoint_head.mystery.2 and 6 more" in error
    assert some(["a", "b"]) == "a, b"


def test_another_graph_is_another_model(state: State, official_head, attempt, capsys) -> None:
    plain = {
        **{key: value for key, value in state.items() if key.startswith("backbone")},
        **official_head(graph="none"),
    }
    assert attempt(plain)[0] == 1
    assert "decoder.layers.0.graph.first.maps.weight is missing" in capsys.readouterr().err
    status, out = attempt(plain, "--cfg-options", "model.decoder.graph.mode=none")
    assert status == 0
    assert read_header(out)["config_options"] == "model.decoder.graph.mode=none split=3"


# ---- what is refused: another source, split or text encoder


@pytest.mark.parametrize(
    ("named", "like", "key"),
    [
        ("graphcape", "capex", "keypoint_head.text_proj.weight"),
        ("capex", "graphcape", "module.keypoint_head.query_proj.weight"),
        ("capex", "swinv2", "layers.0.blocks.0.attn.cpb_mlp.0.weight"),
        ("graphcape", "swinv2", "module.encoder.layers.0.blocks.0.attn.rpe_mlp.0.weight"),
        ("swinv2", "graphcape", "keypoint_head.query_proj.weight"),
    ],
)
def test_the_source_that_the_keys_look_like(attempt, capsys, named: str, like: str, key: str) -> None:
    assert attempt({key: torch.zeros(1)}, source=named, split=())[0] == 1
    error = capsys.readouterr().err
    assert f"the keys of {SOURCES[like].title}" in error and f"Name the source {like}." in error


def test_keys_of_nobody(attempt, capsys) -> None:
    assert looks_like(["conv1.weight"]) is None
    assert attempt({"conv1.weight": torch.zeros(1)})[0] == 1
    assert "unknown keys: conv1.weight" in capsys.readouterr().err


def test_the_split(state: State, attempt, capsys) -> None:
    assert attempt(state, split=())[0] == 1
    assert "--split 1 to 5" in capsys.readouterr().err
    told = {"state_dict": state, "meta": {"config": "train='x/mp100_split2_train.json' test='mp100_split2_test.json'"}}
    assert attempt(told)[0] == 1
    assert "expected 2" in capsys.readouterr().err
    assert attempt(told, split=())[0] == 0
    assert "split=2" in capsys.readouterr().out
    assert attempt(state, source="swinv2")[0] == 1


def test_the_text_encoder_of_the_file(capsys) -> None:
    prefix = "module.text_backbone."
    assert text_encoder({"backbone.norm.bias": torch.zeros(1)}) is None
    assert text_encoder({prefix + GTE: torch.zeros(1)}) == "gte"
    assert text_encoder({prefix + each: torch.zeros(1) for each in CLIP}) == "clip"
    assert text_encoder({prefix + "encoder.layer.0.attention.self.query.weight": torch.zeros(1)}) == "another one"


@pytest.mark.parametrize(
    ("carried", "told", "words"),
    [
        ("another one", "", ["another one", "(gte)"]),
        ("clip", "", ["clip", "(gte)"]),
        ("gte", "finetune_text_pretrained = True,", ["tuned"]),
        (None, "finetune_text_pretrained=True", ["tuned"]),
    ],
)
def test_a_text_encoder_that_is_not_the_published_one(refused, carried, told: str, words: list[str]) -> None:
    fit = command.Fit("capex", [], load_config("capex"))
    command._check_text("gte", fit, "finetune_text_pretrained=False", where="x")
    command._check_text(None, fit, "", where="x")
    with refused(command.DataError, *words):
        command._check_text(carried, fit, told, where="x")


def test_capex_leaves_its_text_encoder_out(small: Path, state: State, official_head, attempt, capsys) -> None:
    config = small.with_name("capex.py")
    config.write_text(small.read_text().replace("graphcape.py", "capex.py"))
    backbone = {key: value for key, value in state.items() if key.startswith("backbone")}
    whole = {**backbone, **official_head(text=768), f"text_backbone.{GTE}": torch.zeros(2)}
    status, out = attempt(whole, "--config", str(config), source="capex")
    assert status == 0
    assert "from where it was published (1)." in capsys.readouterr().out
    assert not any("text_backbone" in key or "qkv_proj" in key for key in read_weights(out))
    whole = {
        **backbone,
        **official_head(text=768),
        "text_backbone.encoder.layer.0.attention.self.key.bias": torch.zeros(2),
    }
    assert attempt(whole, "--config", str(config), source="capex")[0] == 1
    assert "another one" in capsys.readouterr().err


# ---- what is refused: files


def test_pickles(state: State, small: Path, tmp_path: Path, attempt, capsys) -> None:
    path, out = tmp_path / "published.pth", tmp_path / "ours.safetensors"
    arguments = ["graphcape", str(path), str(out), "--config", str(small), "--split", "1"]
    torch.save({"state_dict": state}, path)
    assert main(arguments) == 1
    assert "--allow-pickle" in capsys.readouterr().err

    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert main([*arguments, "--allow-pickle"]) == 1
    assert "a whole file of tensors" in capsys.readouterr().err
    assert not out.exists()


class Touch:
    """A pickle that makes a file when it is read carelessly."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)


def test_code_in_a_pickle_does_not_run(state: State, tmp_path: Path, attempt, capsys) -> None:
    status, out = attempt({"state_dict": state, "meta": Touch(tmp_path / "ran")})
    assert status == 1 and not out.exists()
    assert not (tmp_path / "ran").exists()
    error = capsys.readouterr().err
    assert "mkdir" in error and "weights_only=False" not in error


def test_numbers_of_numpy_beside_the_weights(state: State, attempt) -> None:
    assert attempt({"state_dict": state, "meta": {"best": np.float64(91.2), "curve": np.arange(3)}})[0] == 0


def test_targets(state: State, small: Path, tmp_path: Path, capsys) -> None:
    path = tmp_path / "published.safetensors"
    save_weights(path, state, about={})
    before = path.read_bytes()
    folder, link, file = tmp_path / "folder.safetensors", tmp_path / "link.safetensors", tmp_path / "file"
    folder.mkdir()
    link.symlink_to(path)
    file.write_text("")
    for out, word in ((folder, "folder"), (path, "another file"), (link, "another file"), (tmp_path / "a.pth", "OUT"),
                      (file / "x.safetensors", "written")):  # fmt: skip
        assert main(["graphcape", str(path), str(out), "--config", str(small), "--split", "1"]) == 1
        assert word in capsys.readouterr().err
    assert path.read_bytes() == before and not (tmp_path / "a.pth").exists()
    there = tmp_path / "there.safetensors"
    there.write_text("old")
    assert main(["capex", str(path), str(there), "--config", str(small), "--split", "1"]) == 1
    assert there.read_text() == "old", "an error leaves what was there"
    assert main(["graphcape", str(path), str(there), "--config", str(small), "--split", "1"]) == 0
    assert len(read_weights(there)) > 100
    assert main(["graphcape", str(tmp_path / "absent.safetensors"), str(there), "--split", "1"]) == 1


def test_help_teaches(capsys) -> None:
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    for word in ("Example: cape convert", "--allow-pickle", "--backbone-weights", "text encoder"):
        assert word in printed
