"""The mechanism benchmark: its episodes are what they say, its command works, and fusion reaches the bars (`soak`)."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor

from cape.models import SupportEncoder
from cape.structures import Episode, View


def load() -> ModuleType:
    path = Path(__file__).parents[1] / "benchmarks" / "mechanism.py"
    spec = importlib.util.spec_from_file_location("mechanism", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


mechanism = load()


def draw(size: int = 256, *, seed: int = 0, **damage: float) -> Episode:
    return mechanism.draw_episodes(size, torch.Generator().manual_seed(seed), mechanism.Damage(**damage))


def cells(view: View) -> Tensor:
    """[N, 8, 2] of the keypoints: of clicks at their centres, and of those half a cell before."""
    return (view.points * mechanism.GRID + 0.25).long()


def at_points(view: View) -> Tensor:
    """[N, 8, C] what the picture shows at each keypoint."""
    cell = cells(view)
    return view.image[torch.arange(len(cell))[:, None], :, cell[..., 1], cell[..., 0]]


def facing(view: View) -> Tensor:
    """+1 or -1 by the cue alone: the median over cells is the background, most of the picture."""
    return (view.image.flatten(2).median(dim=2).values @ mechanism.WORLD.facing).sign()


def test_a_picture_is_its_own_mirror_image() -> None:
    """So that nothing in it tells left from right but where it is, given which way the object faces."""
    query = draw(noise=0.0).query
    seen = at_points(query)
    assert torch.equal(seen[:, 0:6:2], seen[:, 1:6:2])
    axis = cells(query)[:, 6, 0]
    assert set(axis.tolist()) == {2, 3}
    for column in (2, 3):
        around = query.image[axis == column][..., column - 2 : column + 3]
        assert torch.equal(around, around.flip(-1))


def test_no_support_token_knows_its_side() -> None:
    """A Gaussian that reached the cells around would see more of them on its right."""
    support = draw(noise=0.0).support
    tokens, _ = SupportEncoder(**mechanism.POOLING)(support.image, support.points, support.visible)
    torch.testing.assert_close(tokens[:, 0:6:2], tokens[:, 1:6:2])
    assert (tokens[:, 0] - tokens[:, 2]).abs().amax(dim=-1).min() > 0.5


def test_the_cue_tells_on_which_side_the_left_is() -> None:
    query = draw(noise=0.0).query
    across = query.points[:, 1:6:2, 0] - query.points[:, 0:6:2, 0]
    assert torch.equal(across.sign(), facing(query)[:, None].expand(-1, 3))
    assert facing(query).mean().abs() < 0.2


def test_names_are_coarse_and_say_the_side() -> None:
    names = np.array(draw(4096).names)  # [8, N]
    part, side = np.array([[name.split(", ") for name in row] for row in names]).transpose(2, 0, 1)
    assert (part[0:6:2] == part[1:6:2]).all()
    assert [sorted(set(row)) for row in side] == [["left"], ["right"]] * 3 + [["middle"]] * 2
    alike = (names[:, None] == names[None]).sum(axis=1) > 1
    # A pair has the name of neither other pair with (5/6)², an axis part that of the other with 5/6
    assert alike.mean() == pytest.approx(6 / 8 * (1 - 25 / 36) + 2 / 8 / 6, abs=0.01)


def test_no_category_comes_twice_neither_in_training_nor_in_the_test() -> None:
    generators = [torch.Generator().manual_seed(seed) for seed in (0, 1, mechanism.TEST_SEED)]
    looks = [mechanism.draw_categories(512, generator).look for generator in generators for _ in range(2)]
    own = torch.cat(looks).flatten(0, 1)
    assert len(own.unique(dim=0)) == len(own)


def test_support_and_query_are_two_instances_of_one_category() -> None:
    episode = draw(noise=0.0)
    support = View(*(each[:, 0] for each in episode.support))
    cue = mechanism.WORLD.facing
    looks = [at_points(view) - facing(view)[:, None, None] * cue for view in (support, episode.query)]
    torch.testing.assert_close(*looks)
    places = [cells(view) for view in (support, episode.query)]
    assert torch.equal(places[0][..., 1], places[1][..., 1])
    assert torch.equal(*((place[..., 0] - place[:, 6:7, 0]).abs() for place in places))
    assert 0.3 < (facing(support) == facing(episode.query)).float().mean() < 0.7
    assert 0.3 < (places[0][:, 6, 0] == places[1][:, 6, 0]).float().mean() < 0.7
    noisy = draw(noise=1.0)
    rest = [noisy.support.image[:, 0] - support.image, noisy.query.image - episode.query.image]
    assert all(0.95 < each.std() < 1.05 for each in rest)
    assert (rest[0] * rest[1]).mean().abs() < 0.02


@pytest.mark.parametrize("which", ["support", "query"])
def test_no_batch_sees_the_views_of_another(which: str) -> None:
    """Facing, axis and noise of a view are drawn anew: those of a constant generator would come back in each batch."""

    def two(noise: float) -> list[View]:
        generator = torch.Generator().manual_seed(0)
        episodes = [mechanism.draw_episodes(256, generator, mechanism.Damage(noise=noise)) for _ in range(2)]
        views = [getattr(episode, which) for episode in episodes]
        return [View(*(each[:, 0] for each in view)) for view in views] if which == "support" else views

    clean, noisy = two(0.0), two(1.0)
    rest = [own.image - bare.image for own, bare in zip(noisy, clean, strict=True)]
    assert (rest[0] * rest[1]).mean().abs() < 0.02
    for trait in (facing, lambda view: cells(view)[:, 6, 0]):
        assert 0.3 < (trait(clean[0]) == trait(clean[1])).float().mean() < 0.7


def test_damage_does_what_it_says_and_nothing_else() -> None:
    clean, texts, supports = draw(), draw(texts=0.5), draw(supports=0.5)
    for damaged in (texts, supports):
        assert torch.equal(damaged.query.image, clean.query.image)
        assert torch.equal(damaged.query.points, clean.query.points)
    assert torch.equal(texts.support.image, clean.support.image)
    # One random name of 18 is the right one
    assert (np.array(texts.names) != np.array(clean.names)).mean() == pytest.approx(0.5 * 17 / 18, abs=0.04)
    assert supports.names == clean.names
    seen = [at_points(View(*(each[:, 0] for each in episode.support))) for episode in (clean, supports)]
    assert (seen[0] != seen[1]).any(dim=-1).float().mean() == pytest.approx(0.5, abs=0.04)


def test_the_same_seed_the_same_episodes_and_the_same_figures() -> None:
    one, two, other = draw(8), draw(8), draw(8, seed=1)
    assert torch.equal(one.query.image, two.query.image) and one.names == two.names
    assert not torch.equal(one.query.image, other.query.image)
    first, again, changed = (mechanism.measure("paired", steps=2, seed=seed, size=128) for seed in (0, 0, 1))
    assert first.tolist() == again.tolist() != changed.tolist()


@pytest.mark.parametrize("row", mechanism.ROWS)
def test_every_row_is_a_model_of_the_library_and_learns(row: str) -> None:
    model = mechanism.build(row)
    assert (model.text is None) == (row == "visual")
    assert (model.support is None) == (row == "text")
    assert (model.decision is not None) == row.startswith("dlf")
    before = {name: value.clone() for name, value in model.named_parameters()}
    mechanism.train(model, steps=2, seed=0, rate=1e-3)
    assert all(value.isfinite().all() for value in model.parameters())
    assert any(not torch.equal(value, before[name]) for name, value in model.named_parameters())
    assert 0 <= mechanism.score(model, mechanism.Damage(), size=128) <= 100


def test_the_bars() -> None:
    """Per seed: one that fails is enough."""
    clean = {
        "visual": np.array([60.0, 90.0]), "text": np.array([80.0, 80.0]), "literal": np.array([61.0, 93.0]),
        "text-led": np.array([79.0, 78.0]), "paired": np.array([91.0, 99.0]), "dlf-gate": np.array([80.0, 89.0]),
    }  # fmt: skip
    margins = [bar.margins.tolist() for bar in mechanism.bars(clean)]
    assert margins == [[1.0, -1.0], [0.0, -1.0], [1.0, -1.0], [1.0, 0.0]]
    assert mechanism.bars({"paired": clean["paired"], "text": clean["text"]}) == []


def test_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    small = ["--steps", "2", "--size", "128", "--threads", str(torch.get_num_threads())]
    monkeypatch.setattr(sys, "argv", ["mechanism.py", "--rows", "visual", "literal", *small])
    mechanism.main()
    lines = capsys.readouterr().out.splitlines()
    assert "after 2 steps, seeds 0 / 1" in lines[0]
    assert sum(line.startswith("| ") for line in lines) == 3
    assert lines[-1].startswith(("reached", "MISSED")) and "within 2 of visual only" in lines[-1]


@pytest.mark.soak
@pytest.mark.parametrize("seed", [0, 1])
def test_fusion_reaches_the_bars(seed: int) -> None:
    """As the command trains by default: after 1,000 steps a text branch may still be 2 points from where it ends."""
    rows = ("visual", "text", "literal", "literal-free", "text-led", "paired", "dlf-gate")
    clean = {row: mechanism.measure(row, steps=mechanism.STEPS, seed=seed, size=2048)[:1] for row in rows}
    bars = mechanism.bars(clean)
    assert len(bars) == 5
    assert all((bar.margins >= 0).all() for bar in bars), bars
