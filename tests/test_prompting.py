"""`cape.prompting`: a damaged prompt file is one error, and a kill leaves the old one."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from cape.data.shots import Shot
from cape.errors import CapeError, PromptError
from cape.prompting import Prompt, make_skeleton
from cape.structures import Tokens


def example() -> Prompt:
    generator = torch.Generator().manual_seed(0)
    skeleton = make_skeleton(3, ["left ear", "right ear", "nose"], [[0, 2]], None)
    crop = torch.randint(0, 255, (16, 16, 3), generator=generator, dtype=torch.uint8)
    shown = torch.ones(1, 4, 3, dtype=torch.bool)
    tokens = Tokens(
        torch.randn(1, 4, 1, 3, 8, generator=generator), shown[:, :, None],
        torch.randn(1, 4, 3, 6, generator=generator),
        shown, torch.rand(1, 4, 3, 2, generator=generator), torch.zeros(1, 4),
        torch.randn(1, 3, 8, generator=generator),
    )  # fmt: skip
    shot = Shot(crop, torch.rand(3, 2, generator=generator), torch.ones(3, dtype=torch.bool), "00ff", "cat.jpg")
    return Prompt(skeleton, ("left ear", "right ear", ""), (shot,), tokens, "0123456789abcdef")


def test_a_file_holds_all_of_it(tmp_path: Path) -> None:
    prompt = example()
    again = Prompt.load(prompt.save(tmp_path / "a.prompt"))
    assert (again.skeleton, again.texts, again.model) == (prompt.skeleton, prompt.texts, prompt.model)
    for one, other in zip((*again.tokens, *again.shots[0][:3]), (*prompt.tokens, *prompt.shots[0][:3]), strict=True):
        assert torch.equal(one, other)
    assert again.shots[0][3:] == prompt.shots[0][3:]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_one_error(tmp_path: Path, data: st.DataObject) -> None:
    """Or, where a byte of a number changed, a prompt of finite numbers that fit together."""
    path = example().save(tmp_path / "a.prompt")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content)
    try:
        prompt = Prompt.load(path)
    except CapeError as error:
        assert error.fix
    else:
        assert all(each.isfinite().all() for each in prompt.tokens if each.is_floating_point())


@pytest.mark.parametrize(
    ("about", "tensors", "words"),
    [
        ({"version": 2}, {}, "version 1"),
        ({"texts": ["a"]}, {}, "fit its names"),
        ({"names": ["a", "b"], "edges": [], "swap": []}, {}, "fit its names"),
        ({"edges": [[0, 7]]}, {}, "below 3"),
        ({}, {"tokens.places": torch.zeros(1, 4, 2, 2)}, "fit its names"),
        ({}, {"tokens.doubt": torch.full((1, 4), float("nan"))}, "finite"),
        ({}, {"shots.0.crop": None}, "whole .prompt"),
    ],
)
def test_content_that_does_not_fit_together_is_refused(tmp_path: Path, about: dict, tensors: dict, words: str) -> None:
    path = example().save(tmp_path / "a.prompt")
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["prompt"]) | about
    kept = {key: value for key, value in (load_file(path) | tensors).items() if value is not None}
    save_file(kept, path, {"prompt": json.dumps(header)})
    with pytest.raises(CapeError, match=words):
        Prompt.load(path)


def test_no_file_is_no_prompt(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="no such file"):
        Prompt.load(tmp_path / "none.prompt")


def test_a_kill_leaves_the_old_prompt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = example().save(tmp_path / "a.prompt")
    before = path.read_bytes()

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        example()._replace(model="other").save(path)
    assert path.read_bytes() == before and [each.name for each in tmp_path.iterdir()] == ["a.prompt"]


def test_declared_parts_are_kept_and_checked() -> None:
    skeleton = make_skeleton(3, None, None, None, {"head": [0, 2]})
    assert skeleton.parts == {"head": (0, 2)}
    with pytest.raises(PromptError, match="parts"):
        make_skeleton(3, None, None, None, {"head": [0, 3]})
