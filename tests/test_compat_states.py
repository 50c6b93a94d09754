"""`cape.compat.load_trusted_state`: mmengine's own checkpoints load, and nothing in a file runs."""

import copy
import importlib
import os
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed

from cape import compat
from cape.errors import DataError

pytestmark = pytest.mark.filterwarnings(
    "ignore:`torch.jit.(script|interface)` is deprecated:DeprecationWarning:torch.jit._script"
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, run_child) -> tuple[Path, dict]:
    """Two epochs by mmengine's Runner, with and without EMA: the folder of its checkpoints and what the child saw."""
    folder = tmp_path_factory.mktemp("trained")
    facts = run_child(
        """
import json, sys
from pathlib import Path
from cape import compat
compat.prepare()
import numpy as np, torch
from mmengine.evaluator import BaseMetric
from mmengine.logging.history_buffer import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.runner import Runner

class Net(BaseModel):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.BatchNorm1d(2))
    def forward(self, inputs, mode="tensor"):
        output = self.layers(inputs)
        return {"loss": output.square().mean()} if mode == "loss" else [output]

class Data(torch.utils.data.Dataset):
    metainfo = {"names": ("nose", "tail"), "sigmas": np.ones(2, dtype=np.float32), "colours": np.zeros(3, np.uint8)}
    def __len__(self):
        return 8
    def __getitem__(self, index):
        return {"inputs": torch.randn(4, generator=torch.Generator().manual_seed(index))}

class Metric(BaseMetric):
    def process(self, batch, outputs):
        self.results.append(1.0)
    def compute_metrics(self, results):
        return {"pck": np.float32(np.mean(results)), "count": np.int64(len(results))}

def train(folder, ema):
    loader = dict(batch_size=4, dataset=Data(), sampler=dict(type="DefaultSampler", shuffle=True),
                  collate_fn=dict(type="default_collate"))
    schedulers = [
        dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=2),
        dict(type="OneCycleLR", eta_max=0.1, total_steps=4, by_epoch=False),
        dict(type="MultiStepLR", milestones=[1]), dict(type="CosineAnnealingLR", T_max=2), dict(type="PolyLR"),
    ]
    runner = Runner(
        model=Net(), work_dir=str(folder), experiment_name=folder.name, randomness=dict(seed=1),
        train_dataloader=loader, val_dataloader={**loader, "sampler": dict(type="DefaultSampler", shuffle=False)},
        train_cfg=dict(by_epoch=True, max_epochs=2), val_cfg=dict(), val_evaluator=[Metric()],
        optim_wrapper=dict(optimizer=dict(type="AdamW", lr=1e-3), clip_grad=dict(max_norm=1.0)),
        param_scheduler=schedulers, custom_hooks=[dict(type="EMAHook")] if ema else [],
        default_hooks=dict(checkpoint=dict(type="CheckpointHook", save_best="pck", rule="greater")))
    runner.train()
    return runner

def same(a, b):
    if type(a) is not type(b):
        return False
    if isinstance(a, HistoryBuffer):
        return all(np.array_equal(x, y) for x, y in zip(a.data, b.data)) and a.max_length == b.max_length
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    return a == b

facts = {}
for name in ("plain", "ema"):
    folder = Path(sys.argv[1]) / name
    runner = train(folder, ema=name == "ema")
    before = set(torch.serialization.get_safe_globals())
    for file in sorted(folder.glob("*.pth")):
        state = compat.load_trusted_state(file)
        facts[f"{name}/{file.name}"] = same(state, torch.load(file, map_location="cpu", weights_only=False))
    state = compat.load_trusted_state(folder / "epoch_2.pth")
    weights = state["ema_state_dict" if name == "ema" else "state_dict"]
    if name == "ema":  # mmengine exchanges the two: the averaged weights are the state_dict
        weights = {key.removeprefix("module."): value for key, value in weights.items() if key != "steps"}
    facts[f"{name}/weights"] = same(dict(weights), dict(runner.model.state_dict()))
    facts[f"{name}/optimizer"] = same(state["optimizer"], runner.optim_wrapper.state_dict())
    losses = state["message_hub"]["log_scalars"]["train/loss"]
    facts[f"{name}/statistics"] = bool(
        losses.statistics("mean") == runner.message_hub.get_scalar("train/loss").mean())
    runner.message_hub.load_state_dict(state["message_hub"])
    for scheduler, saved in zip(runner.param_schedulers, state["param_schedulers"]):
        scheduler.load_state_dict(saved)
    facts[f"{name}/restored"] = set(torch.serialization.get_safe_globals()) == before
print(json.dumps(facts))
""",
        folder,
    )
    return folder, facts


@pytest.fixture
def state(trained) -> Path:
    return trained[0] / "ema" / "epoch_2.pth"


def test_what_mmengine_saved_is_what_is_read(trained):
    folder, facts = trained
    files = {f"{path.parent.name}/{path.name}" for path in folder.glob("*/*.pth")}
    assert len(files) == 4
    assert files < set(facts)
    assert [name for name, right in facts.items() if not right] == []


def test_torch_alone_refuses_the_same_file(state):
    with pytest.raises(Exception, match="Weights only load failed"):
        torch.load(state, weights_only=True)


def test_threads_do_not_disarm_each_other(state):
    with ThreadPoolExecutor(8) as pool:
        states = list(pool.map(compat.load_trusted_state, [state] * 40))
    assert all(each["meta"]["epoch"] == 2 for each in states)


@pytest.mark.parametrize("percent", [0, 1, 8, 50, 99])
def test_a_truncated_file_is_a_data_error(state, tmp_path, percent):
    content = state.read_bytes()
    broken = tmp_path / "broken.pth"
    broken.write_bytes(content[: len(content) * percent // 100])
    with pytest.raises(DataError, match=r"broken\.pth"):
        compat.load_trusted_state(broken)


def test_one_flipped_bit_is_a_data_error(state, tmp_path):
    with zipfile.ZipFile(state) as archive:
        weights = max((m for m in archive.infolist() if "/data/" in m.filename), key=lambda member: member.file_size)
        numbers = archive.read(weights)
    content = bytearray(state.read_bytes())
    content[content.index(numbers)] ^= 1
    broken = tmp_path / "flipped.pth"
    broken.write_bytes(content)
    with pytest.raises(DataError, match=f"checksum in {weights.filename}"):
        compat.load_trusted_state(broken)


def test_a_compressed_archive_is_refused_before_it_is_unpacked(state, tmp_path):
    bomb = tmp_path / "bomb.pth"
    with zipfile.ZipFile(state) as source, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as target:
        for member in source.namelist():
            target.writestr(member, source.read(member))
    with pytest.raises(DataError, match="a compressed archive"):
        compat.load_trusted_state(bomb)


def test_members_that_share_bytes_are_refused(state, tmp_path):
    bomb = tmp_path / "overlap.pth"
    bomb.write_bytes(state.read_bytes())
    with zipfile.ZipFile(bomb, "a") as archive:
        largest = max(archive.infolist(), key=lambda member: member.file_size)
        archive.writestr("new", "so that the list of members is written again")
        for number in range(100):
            archive.filelist.append(copy.copy(largest))
            archive.filelist[-1].filename = f"{number}"
    with pytest.raises(DataError, match="members overlap"):
        compat.load_trusted_state(bomb)


def test_other_files_are_data_errors(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        compat.load_trusted_state(tmp_path / "absent.pth")
    with pytest.raises(DataError, match=tmp_path.name):
        compat.load_trusted_state(tmp_path)
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(DataError, match="got list"):
        compat.load_trusted_state(tmp_path / "list.pth")
    torch.save({"a": torch.ones(2)}, tmp_path / "legacy.pth", _use_new_zipfile_serialization=False)
    with pytest.raises(DataError, match="not a zip file"):
        compat.load_trusted_state(str(tmp_path / "legacy.pth"))


# ---- hostile resume states


class Call:
    """Pickles as a call: reading it runs it."""

    def __init__(self, function, *arguments, state=None):
        self.recipe = (function, arguments, state) if state else (function, arguments)

    def __reduce__(self):
        return self.recipe


@pytest.mark.parametrize("zipped", [True, False])
def test_a_command_in_the_file_does_not_run(tmp_path, zipped):
    canary, file = tmp_path / "canary", tmp_path / "evil.pth"
    state = {"state_dict": {"weight": torch.ones(1)}, "meta": Call(os.system, f"touch {canary}")}
    torch.save(state, file, _use_new_zipfile_serialization=zipped)
    with pytest.raises(DataError, match="asks for posix.system" if zipped else "not a zip file"):
        compat.load_trusted_state(file)
    assert not canary.exists()
    torch.load(file, weights_only=False)
    assert canary.exists(), "the command was no danger, so the test showed nothing"


def test_the_advice_to_switch_the_safety_off_is_not_passed_on(tmp_path):
    torch.save({"a": Call(getattr, torch.Tensor, "mean")}, tmp_path / "evil.pth")
    with pytest.raises(DataError) as caught:
        compat.load_trusted_state(tmp_path / "evil.pth")
    assert "weights_only" not in str(caught.value)
    assert "'mean'" in str(caught.value)


def test_a_configuration_in_the_file_stays_text(tmp_path):
    canary = tmp_path / "canary"
    text = f"import pathlib\npathlib.Path({str(canary)!r}).touch()"
    torch.save({"meta": {"config": text}}, tmp_path / "config.pth")
    assert compat.load_trusted_state(tmp_path / "config.pth") == {"meta": {"config": text}}
    assert not canary.exists()


def _buffer():
    from mmengine.logging.history_buffer import HistoryBuffer

    return HistoryBuffer


@pytest.mark.parametrize(
    "attack",
    [
        lambda: Call(getattr, _buffer(), "__init__"),
        lambda: Call(getattr, _buffer(), "statistics"),
        lambda: Call(getattr, Call(getattr, _buffer(), "mean"), "__globals__"),
        lambda: Call(getattr, torch.Tensor, "mean"),
        lambda: Call(getattr, np.ndarray, "tofile"),
        lambda: Call(getattr, "text", "format"),
        lambda: Call(getattr, _buffer(), ["mean"]),
        lambda: Call(getattr, Call(importlib.import_module, "os"), "system"),
        lambda: Call(getattr, _buffer(), "absent", "default"),
    ],
)
def test_getattr_reaches_nothing_but_the_statistics(tmp_path, attack):
    torch.save({"a": attack()}, tmp_path / "evil.pth")
    with pytest.raises(DataError, match=r"not on the list|asks for importlib\.import_module"):
        compat.load_trusted_state(tmp_path / "evil.pth")


def test_a_file_cannot_change_the_statistics_of_the_process(tmp_path):
    buffer = _buffer()
    state = {"statistics_methods": {"mean": buffer.max, "new": buffer.min}, "max_length": 9}
    torch.save({"a": Call(buffer, [1.0, 3.0], [1, 1], state=state)}, tmp_path / "sly.pth")
    loaded = compat.load_trusted_state(tmp_path / "sly.pth")["a"]
    assert loaded.max_length == 9
    assert loaded.statistics("mean") == 2.0
    assert set(buffer._statistics_methods) == {"min", "max", "current", "mean"}


@pytest.mark.parametrize("code", list(compat._NUMBERS))
def test_numbers_of_every_width_come_back(tmp_path, code):
    array = np.arange(6).reshape(2, 3).astype(code)
    torch.save({"array": array, "scalar": array[1, 1]}, tmp_path / "numbers.pth")
    loaded = compat.load_trusted_state(tmp_path / "numbers.pth")
    assert loaded["array"].dtype == array.dtype
    assert loaded["scalar"].dtype == array.dtype
    np.testing.assert_array_equal(loaded["array"], array)
    assert loaded["scalar"] == array[1, 1]


@pytest.mark.parametrize(
    "array",
    [
        np.array([None, "x"], dtype=object),
        np.array(["text"]),
        np.zeros(2, dtype=[("field", "f8")]),
        Call(np.dtype, ">f8"),
        Call(np.dtype, [("field", "f8")]),
    ],
    ids=["objects", "text", "records", "foreign order", "not a code"],
)
def test_arrays_of_other_things_are_refused(tmp_path, array):
    torch.save({"array": array}, tmp_path / "objects.pth")
    with pytest.raises(DataError, match=r"the array type .* is not on the list"):
        compat.load_trusted_state(tmp_path / "objects.pth")
