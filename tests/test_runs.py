"""A run's folder belongs to one run."""

import json
from pathlib import Path

import numpy as np
from mmengine.config import Config

from cape.configuration import load_config
from cape.data.drawn import Drawn
from cape.data.episodes import official_pairs
from cape.errors import DataError, UsageError
from cape.runs import claim, identity, nested, table_run


def test_identity_is_what_the_weights_depend_on(minimal_config: Path) -> None:
    base = identity(load_config(minimal_config))
    assert base["model.width"] == 64 and base["split"] == 2
    assert identity(load_config(minimal_config, {"data_root": "elsewhere", "budget_minutes": 3})) == base
    assert identity(load_config(minimal_config, {"train_dataloader.num_workers": 3})) == base
    for changes in ({"model.width": 32}, {"split": 1}, {"seed": 1}, {"train_dataloader.batch_size": 3}):
        assert identity(load_config(minimal_config, changes)) != base


def test_a_folder_belongs_to_one_run(minimal_config: Path, tmp_path: Path, refused) -> None:
    folder = tmp_path / "run"
    config = load_config(minimal_config)
    claim(folder, config, data="x", resume=False)
    claim(
        folder, load_config(minimal_config, {"seed": 1}), data="x", resume=False
    )  # nothing was saved yet: it may be taken over
    claim(folder, config, data="x", resume=False)
    (folder / "resume").mkdir()
    (folder / "resume" / "epoch_1.pth").touch()
    record = (folder / "run.json").read_text()
    claim(folder, config, data="x", resume=True)
    with refused(UsageError, "--resume", str(folder)):
        claim(folder, config, data="x", resume=False)
    with refused(UsageError, "seed = 1"):
        claim(folder, load_config(minimal_config, {"seed": 1}), data="x", resume=True)
    with refused(UsageError, "data = y"):
        claim(folder, config, data="y", resume=True)
    with refused(UsageError, "model.depth"):
        claim(folder, load_config(minimal_config, {"model.depth": 1}), data="x", resume=True)
    assert (folder / "run.json").read_text() == record == json.dumps({**identity(config), "data": "x"}, indent=1) + "\n"


def test_a_run_of_a_table_is_read_and_its_pairs_drawn_anew(tmp_path: Path, refused) -> None:
    source = Drawn(instances=17, categories=("fish", "chair"), size=96)
    pairs = official_pairs(source.by_category(), episodes=3)
    category = np.array([source.instances[index].category for index in pairs.table[:, -1]])
    folder = tmp_path / "literal" / "split2_seed1"
    folder.mkdir(parents=True)
    (folder / "command.json").write_text(json.dumps([["--data", "x"], [], ["--cfg-options", "a=1"]]))
    scores = {"2|small|NME": np.ones(1), "2|small (proposals)|NME": np.zeros(1)}
    np.savez(folder / "scores.npz", **{"2|query": pairs.table[:, -1], "2|category": category, **scores})
    run = table_run(tmp_path, "literal=small.py,a=1,b=2", split=2, seed=1)
    assert (run.name, run.config, run.options) == ("literal", "small.py", ["split=2", "a=1"])
    assert list(run.scores) == ["query", "category", "literal|NME", "literal (proposals)|NME"]
    assert run.weights == folder / "checkpoints" / "best.safetensors"
    assert run.pairs(source, shots=1).digest() == pairs.digest()
    for other, shots in ((Drawn(instances=18, categories=("fish", "chair"), size=96), 1), (source, 2)):
        with refused(DataError, "literal", "--data"):
            run.pairs(other, shots=shots)
    with refused(UsageError, "cape table"):
        table_run(tmp_path, "somewhere/literal.py", split=1, seed=1)
    (folder / "scores.npz").write_text("damaged")
    with refused(DataError, "scores.npz"):
        table_run(tmp_path, "somewhere/literal.py", split=2, seed=1)


def test_what_a_run_is_can_be_read_back() -> None:
    options = {"type": "X", "strides": (16, 32), "inner": {"a": None, "list": ({"b": 1}, {"b": 2.5})}, "none": False}
    assert nested(identity(Config({"model": options})))["model"] == options
