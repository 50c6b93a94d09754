"""What tests of commands that look at trained models share: drawn data as MP-100 keeps it, and small networks."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from drawn_files import save_drawn
from mmengine.config import Config
from networks import BODY, SMALL, write_model
from people_files import write_people
from PIL import Image
from safetensors.torch import save_file

from cape.checkpoints import save_weights
from cape.commands import main
from cape.commands.predict import main as predict
from cape.commands.prompt import main as compile_prompt
from cape.configuration import load_config, parse_options
from cape.data.drawn import Drawn
from cape.engine import make_model
from cape.registry import MODELS
from cape.runs import identity

NETWORK = """
model = dict(
    type="FewShotPose", width=16, visual=dict(type="VisualEncoder", name="resnet10t"), {kinds},
    matching=dict(layers=1, hidden=16, gate=8, heads=2), decoder=dict(layers=2, heads=2, graph=dict(hidden=16)),
)
backbone_weights = "random"
split = 1
text_pack = None
"""
KINDS = {
    "visual": 'support=dict(type="SupportEncoder"), text=None',
    "text": 'support=None, text=dict(type="TextEncoder")',
    "flf": 'support=dict(type="SupportEncoder"), text=dict(type="TextEncoder")',
    "dlf": 'support=dict(type="SupportEncoder"), text=dict(type="TextEncoder"), decision=dict(rule="gate")',
}


@pytest.fixture(scope="session")
def drawn_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen pictures of each of two drawn categories, as the test file of split 1."""
    return save_drawn(tmp_path_factory.mktemp("drawn"), "drawn_split1_test.json")


def write_network(folder: Path, kind: str, *options: str) -> tuple[Path, Path]:
    config, weights = folder / f"{kind}.py", folder / f"{kind}.safetensors"
    config.write_text(NETWORK.format(kinds=KINDS[kind]))
    torch.manual_seed(3)
    state = make_model(load_config(config, parse_options(options))).state_dict()
    save_file({name: value.contiguous() for name, value in state.items()}, weights)
    return config, weights


@pytest.fixture
def network(tmp_path: Path) -> Callable[[str], tuple[Path, Path]]:
    """Writes a config of a kind (visual, text, flf, dlf) and random weights for it; gives back both paths."""
    return lambda kind: write_network(tmp_path, kind)


@pytest.fixture(scope="session")
def table_runs(drawn_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `cape table` leaves for visual, text, dlf and `mean=dlf,model.decision.rule=mean`.

    On split 1 with seed 0, two episodes a category.
    """
    folder = tmp_path_factory.mktemp("table")
    rows = [(kind, kind, ["shots=1"]) for kind in ("visual", "text", "dlf")]
    for name, kind, options in [*rows, ("mean", "dlf", ["model.decision.rule=mean"])]:
        config, weights = write_network(folder, kind, *options)
        run = folder / name / "split1_seed0"
        (run / "checkpoints").mkdir(parents=True)
        weights = weights.rename(run / "checkpoints" / "best.safetensors")
        own = [word for option in options for word in ("--cfg-options", option)]
        (run / "command.json").write_text(json.dumps([[], [], own]))
        flags = [*own, "--data", str(drawn_set), "--episodes", "2", "--scores", str(run / "scores.npz")]
        assert main(["test", str(config), str(weights), *flags]) == 0
    return folder


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`checkpoint(kind)`: random weights of a kind (visual, text, both), with the model in the header."""
    folder = tmp_path_factory.mktemp("checkpoints")

    def write(kind: str) -> Path:
        path = folder / f"{kind}.safetensors"
        if not path.exists():
            off = {"visual": {"text": None}, "text": {"support": None}, "both": {}}[kind]
            prior = {"prior": {"type": "TurnedFit", "rotations": 2}, "matching": {**SMALL["matching"], "prior": 12.0}}
            described = {"type": "FewShotPose", **SMALL, **prior, **off}
            torch.manual_seed(3)
            state = MODELS.build({**described}).state_dict()
            flat = identity(Config({"model": described}))
            save_weights(path, state, about={"run": json.dumps(flat)})
        return path

    return write


@pytest.fixture(scope="session")
def body(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of a whole-body model of 17 keypoints."""
    return write_model(tmp_path_factory.mktemp("body") / "body.safetensors", BODY)


@pytest.fixture
def fishes(tmp_path: Path) -> SimpleNamespace:
    """Five drawn fish, f0.png to f4.png in `folder`, and `clicks`: the points of f0 as JSON, without the second."""
    source = Drawn(instances=5, categories=("fish",), size=96, truncation=0.0)
    (category,) = source.categories.values()
    folder, clicks = tmp_path / "fishes", tmp_path / "clicks.json"
    folder.mkdir()
    for index in range(5):
        Image.fromarray(source.picture(index)).save(folder / f"f{index}.png")
    points = source.instances[0].points.tolist()
    points[1] = None
    skeleton = category.skeleton
    clicks.write_text(json.dumps({"points": points, "names": skeleton.names, "edges": skeleton.edges}))
    return SimpleNamespace(folder=folder, clicks=clicks, points=points, skeleton=skeleton, instances=source.instances)


@pytest.fixture(scope="session")
def compiled() -> dict[str, bytes]:
    """The prompt of the first fish, once it is made: every test's fish are the same."""
    return {}


@pytest.fixture
def ask(fishes, checkpoint, compiled, tmp_path: Path) -> SimpleNamespace:
    """A compiled prompt, `out`, `partial`, and `ask.run(*arguments)`, on the five fish unless they say --source."""
    weights, out = checkpoint("visual"), tmp_path / "poses.json"
    common = ["--model", str(weights), "--device", "cpu"]
    prompt = tmp_path / "fish.prompt"
    image = str(fishes.folder / "f0.png")
    if not compiled:
        assert compile_prompt(["--image", image, "--points", str(fishes.clicks), "--out", str(prompt), *common]) == 0
        compiled["fish"] = prompt.read_bytes()
    prompt.write_bytes(compiled["fish"])

    def run(*arguments: object) -> int:
        usual = ["--prompt", prompt, "--source", fishes.folder, "--out", out, *common]
        return predict([str(each) for each in (*usual, *arguments)])

    return SimpleNamespace(run=run, out=out, partial=tmp_path / "poses.json.partial", prompt=prompt, common=common)


PEOPLE = """
_base_ = ["{configs}/cigpose_lite.py"]
data_root = None
model = dict(
    size=(64, 96),
    backbone=dict(widen_factor=0.0625, deepen_factor=0.01),
    embedding=dict(channels=64, width=16, query=8),
    intervention={intervention},
    graph={graph},
)
crops = dict(size=(64, 96), sigma=(2.83, 3.46), source=dict(annotations="people.json"))
train_dataloader = dict(dataset=crops)
val_dataloader = dict(dataset=crops)
train_cfg = dict(max_epochs=2, val_interval=1)
del crops
"""


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Four people in `folder`; `cigpose` and `rtmpose`: arguments CONFIG CHECKPOINT of small random models of both."""
    folder = tmp_path_factory.mktemp("people")
    found = {"folder": folder, "data": write_people(folder, images=4)}
    for name, intervention, graph in (("cigpose", "dict(train=13)", "dict()"), ("rtmpose", None, None)):
        config, weights = folder / f"{name}.py", folder / f"{name}.safetensors"
        configs = Path(__file__).parents[2] / "configs"
        config.write_text(PEOPLE.format(configs=configs, intervention=intervention, graph=graph))
        settings = load_config(config)
        model = make_model(settings)
        generator = torch.Generator().manual_seed(4)
        for parameter in model.parameters():  # at the official start all keypoints look alike
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5, generator=generator)
        save_weights(weights, model.state_dict(), about={"run": json.dumps(identity(settings))})
        found[name] = [str(config), str(weights)]
    return SimpleNamespace(**found)
