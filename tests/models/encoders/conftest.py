"""What the tests of sentence encoders share: tiny published ones, and an empty cache."""

import shutil
from pathlib import Path

import huggingface_hub
import pytest
import torch
from byte_tokenizer import byte_tokenizer

from cape import compat
from cape.models.encoders import text


@pytest.fixture
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
    byte_tokenizer("[CLS]", "[SEP]").save(str(folder / "tokenizer.json"))
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
    byte_tokenizer("<|startoftext|>", "<|endoftext|>").save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture
def folder(gte_folder: Path, tmp_path: Path) -> Path:
    """A copy of the tiny GTE, to be broken."""
    return Path(shutil.copytree(gte_folder, tmp_path / "copy"))


@pytest.fixture
def narrow(monkeypatch) -> None:
    """The tiny GTE stands in for the real one."""
    monkeypatch.setitem(text.WIDTHS, "gte", 16)
    monkeypatch.setitem(text.WIDTHS, "clip", 12)
