"""Text encoder: a frozen sentence encoder, asked once per string."""

import functools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from cape.errors import UsageError
from cape.models.encoders.sentence import WIDTHS, Encode, Source, load_encoder
from cape.registry import MODELS

BATCH = 64  # texts a call of the encoder


@MODELS.register_module()
class TextEncoder(nn.Module):
    """Unit-length sentence embeddings of keypoint texts (specification §3.3, CapeX).

    The encoder is frozen: it is no submodule, so that neither `train()` nor an optimiser nor a checkpoint reaches it.
    It is loaded at the first string, not at construction, and each string is embedded once in the life of the process:
    all text encoders with the same options, copies included, share one table. Copies in other processes start anew.

    Args:
        name: One of the following; only with `download` is anything fetched.

            - "minilm": all-MiniLM-L6-v2 out of its installed package (width 384, mean pooling).
            - "gte": GTE-base-en-v1.5 (768, CLS), CapeX's own, out of the Hugging Face cache.
            - "clip": the text half of CLIP ViT-B/32 with its projection (512, end of text), likewise.
            - "random": two GTE layers with fixed random weights, of any width that 4 divides. It reads no file and
              knows nothing: for tests.
            - the folder of a model: of sentence-transformers, of GTE or of CLIP.
            - "owner/name": any sentence-transformers repository, out of the Hugging Face cache. What its own loader
              makes of it is believed.
        width: Of the embeddings; checked now where the name is known, else at the first string.
        download: Fetch from the Hugging Face hub what the cache does not hold. Afterwards no network is needed.
        revision: Commit, tag or branch of the repository; None takes the one that is pinned.
        sha256: Of the weights; None takes the one that is pinned. A model of which cape has no pin ("gte",
            "owner/name") is pinned at its first use, in `cape-pins.json` in the Hugging Face home.
        tokens: The text after so many tokens is cut off silently, as CLIP and CapeX do.

    Raises:
        UsageError: Options that do not go together.
    """

    def __init__(
        self,
        *,
        name: str = "minilm",
        width: int = 384,
        download: bool = False,
        revision: str | None = None,
        sha256: str | None = None,
        tokens: int = 77,
    ) -> None:
        super().__init__()
        where = f"text encoder {name}"
        if WIDTHS.get(name, width) != width or (name == "random" and (width < 1 or width % 4)):
            right = WIDTHS.get(name, "one that 4 divides")
            raise UsageError(where, expected=f"embeddings of width {width}", got=f"{right}", fix="Set `width` to it.")
        if tokens < 3:
            raise UsageError(
                where, expected="at least 3 tokens (two are marks)", got=f"{tokens}", fix="Raise `tokens`."
            )
        if name in ("minilm", "random") and (revision or sha256):
            raise UsageError(
                where, expected="neither revision nor sha256: its weights come with cape", got="one", fix="Remove it."
            )
        self.name, self.width = name, width
        self._table = _shared_table(Source(name, width, download, revision, sha256, tokens))
        self.register_buffer("device_of", torch.zeros(()), persistent=False)

    device_of: Tensor

    def forward(self, names: Sequence[Sequence[str]]) -> tuple[Float[Tensor, "B K D"], Bool[Tensor, "B K"]]:
        """Embeddings, and which keypoints have a text.

        Args:
            names: K sequences of B strings, as collation makes them of an episode's names; "" is a missing text, with
                a row of zeros.

        Raises:
            UsageError: Something else, or no model (see `load_encoder`).
            DependencyError: The weights are missing, damaged or not those that are pinned.
        """
        size, keypoints = _common_length(names), len(names)
        embedded, row = self._table.look_up([text for column in names for text in column], self.device_of)
        embedded = embedded.view(keypoints, size, self.width).transpose(0, 1)
        return embedded, (row != 0).view(keypoints, size).T

    def embed(self, texts: Sequence[str]) -> Float[Tensor, "N D"]:
        """Embeddings of any texts, in their order; zeros for "". Raises what `forward` raises."""
        _common_length([texts])
        return self._table.look_up(texts, self.device_of)[0]


def _common_length(columns: Any) -> int:
    """B of K sequences of B strings each; anything else is refused."""
    sequences = isinstance(columns, Sequence) and all(
        isinstance(column, Sequence) and not isinstance(column, str | bytes) for column in columns
    )
    lengths = {len(column) for column in columns} if sequences else set()
    odd = [text for column in columns for text in column if not isinstance(text, str)] if sequences else []
    if len(lengths) != 1 or odd:
        raise UsageError(
            "keypoint names",
            expected="K sequences of B strings each",
            got=f"{odd[0]!r} among them" if odd else repr(columns)[:80],
            fix='Give one sequence per keypoint, one string per sample, "" for a missing text.',
        )
    return lengths.pop()


class SentenceTable:
    """Strings and their embeddings, one row each; row 0 is zeros and stands for "".

    A forward is one look-up: nothing is stacked string by string. Threads may share a table.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._row = {"": 0}
        self._table = torch.zeros(1, source.width, device="cpu")
        self._copies: dict[tuple[torch.device, torch.dtype], Tensor] = {}
        self._encode: Encode | None = None
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple:
        """Copying a model shares its table; a pickle names the source, and another process loads it again."""
        return _shared_table, (self._source,)

    def look_up(self, texts: Sequence[str], like: Tensor) -> tuple[Float[Tensor, "N D"], Int64[Tensor, "N"]]:
        """Embeddings on the device and in the type of `like`, and the rows they were taken from."""
        with self._lock, _undisturbed():
            self._learn(sorted(set(texts) - self._row.keys()))
            row = torch.tensor([self._row[text] for text in texts], dtype=torch.int64).to(like.device)
            kind = (like.device, like.dtype)
            if len(self._copies.get(kind, ())) != len(self._table):
                self._copies[kind] = self._table.to(like)
            return self._copies[kind][row], row

    def _learn(self, missing: list[str]) -> None:
        """Embed new strings; after an error the table is as before."""
        found = [self._table]
        for start in range(0, len(missing), BATCH):
            self._encode = self._encode or load_encoder(self._source)
            found.append(F.normalize(self._encode(missing[start : start + BATCH]).float(), dim=-1))
            width = found[-1].shape[-1]
            if width != self._source.width:
                raise UsageError(
                    f"text encoder {self._source.name}",
                    expected=f"embeddings of width {self._source.width}",
                    got=f"{width}",
                    fix="Set `width` to it.",
                )
        if missing:
            self._table = torch.cat(found)
            self._row.update({text: row for row, text in enumerate(missing, start=len(self._row))})


@functools.cache
def _shared_table(source: Source) -> SentenceTable:
    return SentenceTable(source)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """The same vectors whatever surrounds the caller: inference mode, autocast or another default device."""
    with torch.inference_mode(False), torch.no_grad(), torch.autocast("cpu", enabled=False), torch.device("cpu"):
        yield
