"""The plain vision transformer of ViTPose as mmpose's estimators take it, under mmpretrain's options."""

from collections.abc import Mapping
from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor, nn

from cape import compat
from cape.errors import UsageError
from cape.registry import MODELS

SIZES = {
    "base": {"embed_dims": 768, "num_layers": 12, "num_heads": 12, "feedforward_channels": 3072},
    "large": {"embed_dims": 1024, "num_layers": 24, "num_heads": 16, "feedforward_channels": 4096},
    "huge": {"embed_dims": 1280, "num_layers": 32, "num_heads": 16, "feedforward_channels": 5120},
}
"""mmpretrain's names for them."""


@MODELS.register_module()
class PlainTransformer(nn.Module):
    """timm's vision transformer in the shape of ViTPose's: no class token, patches cut with a padding.

    It stands in for `mmpretrain.VisionTransformer`, which mmpose's configs of ViTPose name, of a package that is no
    dependency of ours. Options that say of a class token or of the output are taken for what ViTPose has.

    Args:
        arch: A name in `SIZES`, or mmpretrain's dictionary of its sizes.
        img_size: Height and width of the input.
        patch_size: Side of a patch in pixels.
        patch_cfg: `padding` of the patches, in pixels.
        qkv_bias: Queries, keys and values have a bias.
        drop_path_rate: Of the last layer, in training.
        with_cls_token: Not supported.
        out_type: "featmap".

    Raises:
        UsageError: A class token, or sizes that are unknown.
    """

    def __init__(
        self,
        *,
        arch: str | Mapping[str, int] = "base",
        img_size: tuple[int, int] = (256, 192),
        patch_size: int = 16,
        patch_cfg: Mapping[str, Any] | None = None,
        qkv_bias: bool = True,
        drop_path_rate: float = 0.0,
        with_cls_token: bool = False,
        out_type: Literal["featmap"] = "featmap",
    ) -> None:
        super().__init__()
        compat.prepare()
        from timm.models.vision_transformer import VisionTransformer

        del out_type
        sizes = SIZES.get(arch, {}) if isinstance(arch, str) else arch
        padding = int((patch_cfg or {}).get("padding", 0))
        if set(sizes) != set(SIZES["base"]) or with_cls_token or set(patch_cfg or {}) - {"padding"}:
            got = f"arch={arch!r}, with_cls_token={with_cls_token}, patch_cfg={dict(patch_cfg or {})}"
            raise UsageError(
                "PlainTransformer", expected=f"{', '.join(SIZES)} or their sizes, without a class token", got=got,
                fix="Take a config of ViTPose.",
            )  # fmt: skip
        self.grid = tuple((side + 2 * padding - patch_size) // patch_size + 1 for side in img_size)
        if any(cells != side // patch_size for cells, side in zip(self.grid, img_size, strict=True)):
            fix = "Give sides that are multiples of the patch's."
            raise UsageError("img_size", expected=f"cells of {patch_size} pixels", got=str(tuple(img_size)), fix=fix)
        width = sizes["embed_dims"]
        self.network = VisionTransformer(
            img_size=(img_size[0], img_size[1]), patch_size=patch_size, num_classes=0, global_pool="",
            class_token=False, embed_dim=width, depth=sizes["num_layers"], num_heads=sizes["num_heads"],
            mlp_ratio=sizes["feedforward_channels"] / width, qkv_bias=qkv_bias, drop_path_rate=drop_path_rate,
        )  # fmt: skip
        self.network.patch_embed.proj = nn.Conv2d(3, width, patch_size, stride=patch_size, padding=padding)

    def forward(self, images: Float[Tensor, "B 3 h w"]) -> tuple[Float[Tensor, "B C H W"]]:
        """One map, in a tuple as mmpose's heads take it."""
        tokens = self.network.forward_features(images)
        return (tokens.transpose(1, 2).unflatten(-1, self.grid).contiguous(),)
