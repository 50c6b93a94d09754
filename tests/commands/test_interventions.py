"""`cape interventions` as a user runs it, on drawn people, and what its parts rest on."""

import copy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cape.analyses import occlusion, subjects
from cape.commands import main
from cape.errors import UsageError
from cape.persons import PersonModel, column, load_people_model, look, predict_people, rescored

SCORES = ("supervised", "random", "norm", "head")


@pytest.fixture(scope="module")
def loaded(people: SimpleNamespace) -> PersonModel:
    config, weights = people.cigpose
    changes = {"data_root": str(people.folder), "model.flip_test": False}
    return load_people_model(config, Path(weights), changes, device="cpu")


def test_every_file_and_the_command_above(people: SimpleNamespace, tmp_path: Path, capsys) -> None:
    flags = ["--data", str(people.folder), "--out", str(tmp_path), "--sizes", "0.3,0.1", "--seed", "5"]
    asked = [word for score in SCORES for word in ("--score", score)]
    assert main(["interventions", *people.cigpose, *flags, *asked]) == 0
    names = {"occlusion", "scores", "enrichment", "frequency", "embeddings"}
    assert {each.stem for each in tmp_path.glob("*.png")} == names
    texts = {each.stem: each.read_text() for each in tmp_path.glob("*.md")}
    assert set(texts) == names - {"scores"}
    for name, text in texts.items():
        assert text.startswith("Command:\n\n    cape interventions ") and f"![{name}]({name}.png)" in text
    assert all(f"| {score} | 0.1 |" in texts["occlusion"] for score in SCORES)
    assert texts["occlusion"].index("| norm | 0.1 |") < texts["occlusion"].index("| norm | 0.3 |")
    assert all("seed 5" in texts[name].lower() for name in ("occlusion", "enrichment", "frequency"))
    assert "| sum times K |  | 100.0 | 100.0 | 100.0 | 100.0 | 100.0 |" in texts["frequency"]
    assert "13 keypoints of the highest score" in texts["enrichment"]
    assert "4 people, scores supervised, random, norm, head" in capsys.readouterr().out


def test_looking_in_two_steps_is_the_test(loaded: PersonModel) -> None:
    """F first and the rest later gives the predictions, scores and choices of the page."""
    crops = loaded.crops()
    found = subjects(loaded.model, crops, batch_size=3, workers=0)
    looked = look(loaded.model, found.seen.tokens, batch_size=2)
    samples = predict_people(loaded.model, crops)
    np.testing.assert_allclose(looked.score, column(samples, "keypoint_confounders"), atol=1e-5)
    assert np.array_equal(looked.chosen, column(samples, "keypoints_replaced"))
    points = found.seen.to_crop(column(samples, "keypoints").astype(np.float64), loaded.model.size)
    assert (np.abs(looked.points - points).max(axis=-1) < 0.1).mean() > 0.98


@pytest.mark.parametrize("score", SCORES)
def test_another_score_of_the_same_weights(loaded: PersonModel, score: str) -> None:
    model = rescored(loaded.model, score, seed=1)
    tokens = torch.randn(3, 133, 16, generator=torch.Generator().manual_seed(0))
    assert look(model, tokens).chosen.sum(axis=1).tolist() == [1, 1, 1]
    same = torch.equal(model.confounders(tokens), loaded.model.confounders(tokens))
    assert same == (score == "supervised") and loaded.model.intervention.score == "supervised"
    assert torch.equal(model.head.x.weight, loaded.model.head.x.weight) and model.head is not loaded.model.head
    again = rescored(loaded.model, score, seed=1).confounders(tokens)
    assert torch.equal(model.confounders(tokens), again)
    if score == "random":
        assert not torch.equal(again, rescored(loaded.model, score, seed=2).confounders(tokens))
        with pytest.raises(UsageError, match="have learnt"):
            rescored(model, "supervised")


def test_a_score_that_knows_what_is_hidden_finds_it(loaded: PersonModel, monkeypatch) -> None:
    """The whole experiment with an oracle in the network's place: grey is what it sees, and grey is what is hidden."""
    people = subjects(loaded.model, loaded.crops(), batch_size=4, workers=0)

    oracle = copy.deepcopy(loaded.model)

    def embed(images: torch.Tensor) -> torch.Tensor:
        x, y = torch.tensor(people.points).floor().long().unbind(dim=-1)
        x, y = x.clamp(0, oracle.size[0] - 1), y.clamp(0, oracle.size[1] - 1)
        mean, std = oracle.data_preprocessor.mean, oracle.data_preprocessor.std
        pixels = images * std + mean
        rows = [-(image[:, b, a] - 128).abs().sum(dim=0) for image, a, b in zip(pixels, x, y, strict=True)]
        return torch.stack(rows)[..., None]

    monkeypatch.setattr(oracle, "embed", embed)

    def decide(model: object, tokens: torch.Tensor) -> SimpleNamespace:
        return SimpleNamespace(score=tokens[..., 0].double().numpy())

    monkeypatch.setattr("cape.analyses.look", decide)
    people = people._replace(seen=people.seen._replace(tokens=torch.full((4, 133, 1), -300.0)))
    options = {"sizes": [0.1, 0.2], "patches": 2, "fill": "grey", "seed": 0, "batch_size": 4, "workers": 0}
    result = occlusion({"oracle": oracle}, people, **options)
    (_, rows), *_ = result.tables.values()
    assert [float(row[3].partition(" ")[0]) for row in rows] == pytest.approx([1, 1], abs=0.05)  # a pixel at an edge
    assert all(float(row[5]) > 0.97 for row in rows) and int(rows[0][2]) < int(rows[1][2])


@pytest.mark.parametrize(
    ("flags", "word"),
    [(["--score", "best"], "--score"), (["--sizes", "2"], "--sizes"), (["--sizes", "big"], "--sizes")],
)
def test_refused(people: SimpleNamespace, tmp_path: Path, capsys, flags: list[str], word: str) -> None:
    assert main(["interventions", *people.cigpose, "--data", str(people.folder), "--out", str(tmp_path), *flags]) == 1
    assert word in capsys.readouterr().err


def test_a_model_without_an_intervention_is_refused(people: SimpleNamespace, tmp_path: Path, capsys) -> None:
    assert main(["interventions", *people.rtmpose, "--data", str(people.folder), "--out", str(tmp_path)]) == 1
    assert "RTMPose has none" in capsys.readouterr().err
