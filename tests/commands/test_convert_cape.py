"""`cape convert cape`: our own checkpoints in half precision, for shipping."""

from pathlib import Path

import torch

from cape.checkpoints import read_header, read_weights, save_weights
from cape.commands.convert import main


def test_half_precision_keeps_small_tensors_and_what_the_file_says(tmp_path: Path, capsys) -> None:
    source, out = tmp_path / "best.safetensors", tmp_path / "half.safetensors"
    state = {"a.weight": torch.randn(4, 8), "a.bias": torch.randn(4), "n": torch.tensor(3), "v": torch.tensor(1e-9)}
    save_weights(source, state, about={"run": "{}", "epoch": "3"})
    assert main(["cape", str(source), str(out)]) == 0
    assert "SHA-256" in capsys.readouterr().out and read_header(out) == read_header(source)
    written = read_weights(out)
    assert written["a.weight"].dtype == torch.float16 and written["v"] == state["v"]
    for key, value in state.items():
        torch.testing.assert_close(written[key].to(value.dtype), value, atol=2e-3, rtol=1e-3)


def test_what_half_precision_cannot_hold_is_refused(tmp_path: Path, capsys) -> None:
    source, out = tmp_path / "best.safetensors", tmp_path / "half.safetensors"
    for state, about, words in (
        ({"a": torch.full((2, 2), 1e6)}, {"run": "{}"}, "finite"),
        ({"a": torch.ones(2, 2)}, {}, "which run"),
    ):
        save_weights(source, state, about=about)
        assert main(["cape", str(source), str(out)]) == 1 and not out.exists()
        assert words in capsys.readouterr().err
