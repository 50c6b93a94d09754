"""Sentence encoders out of the Hugging Face cache: what is missing, pins, downloads."""

import hashlib
import json
import shutil
import socket
from pathlib import Path

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file

from cape.errors import DependencyError, UsageError
from cape.models.encoders import sentence, text
from cape.models.encoders.sentence import PINS
from cape.models.encoders.text import TextEncoder

GTE = PINS["gte"].repository
COMMIT, LATER = "a" * 40, "b" * 40
WORDS = ["eye", "a much longer text", "tail"]
pytestmark = pytest.mark.usefixtures("cache")


def cached(cache: Path, content: Path, repository: str = GTE, commit: str = COMMIT, branch: str = "main") -> Path:
    """What the hub's client leaves behind after a download."""
    place = cache / "hub" / f"models--{repository.replace('/', '--')}"
    (place / "refs").mkdir(parents=True, exist_ok=True)
    (place / "refs" / branch).write_text(commit)
    return Path(shutil.copytree(content, place / "snapshots" / commit))


def gte(**options) -> TextEncoder:
    text._shared_table.cache_clear()
    return TextEncoder(**{"name": "gte", "width": 768, **options})


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
