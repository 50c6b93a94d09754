"""A run's folder belongs to one run."""

import json
from pathlib import Path

from cape.configuration import load_config
from cape.errors import UsageError
from cape.runs import claim, identity


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
