"""`cape.contenders`: a file that says what it is also says what it is to be tested on."""

import json
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file, save_file

from cape.contenders import Facts, load_trained
from cape.shipped import weights_of


def test_the_facts_of_weights_that_say_what_they_are(tmp_path: Path) -> None:
    shipped, changed = weights_of("cape-lite"), tmp_path / "mine.safetensors"
    with safe_open(shipped, "pt") as file:
        header = file.metadata()
    told = {"split": 3, "shots": 5, "held_out": "felidae", "text_pack": None}
    save_file(load_file(shipped), changed, {**header, "run": json.dumps({**json.loads(header["run"]), **told})})
    found = load_trained(str(changed), None, [], allow_pickle=False, download=False, device="cpu")
    assert found.name == "mine"
    assert found.facts == Facts(split=3, shots=5, held_out="felidae", text_pack=None)
    found = load_trained(str(changed), None, ["text_pack=typos"], allow_pickle=False, download=False, device="cpu")
    assert found.facts.text_pack == "typos"
