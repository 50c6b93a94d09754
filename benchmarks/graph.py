"""The hierarchical graph against a loop over samples, and what CIGPose adds to RTMPose's time.

Run `python benchmarks/graph.py`.
"""

import argparse
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.benchmark import Timer

from cape.configuration import load_config
from cape.data.skeletons import read_skeleton
from cape.engine import make_model
from cape.models.graphs import HierarchicalGraph
from cape.models.graphs.hierarchical import EdgeConv


def looped(part: HierarchicalGraph, tokens: Tensor, edges: Tensor, groups: list[Tensor]) -> Tensor:
    """The same mathematics as the official code does it: a loop over samples, and one over groups."""

    def convolved(convolution: EdgeConv, rows: Tensor, pairs: Tensor) -> Tensor:
        receiver, sender = pairs
        messages = convolution.message(torch.cat([rows[receiver], rows[sender] - rows[receiver]], dim=-1))
        messages = functional.silu(convolution.norm(messages))
        return torch.zeros_like(rows).index_add(0, receiver, messages)

    among = torch.combinations(torch.arange(len(groups))).T
    among = torch.cat([among, among.flip(0)], dim=1)
    found = []
    for sample in tokens:
        rows = functional.silu(part.norm(part.project(sample)))
        for block in part.blocks:
            local = block.norm(convolved(block.bones, rows, edges))
            narrow = functional.silu(block.gates.norm(block.gates.down(local)))
            pooled = torch.stack([narrow[members].mean(dim=0) for members in groups])
            gates = block.gates.up(convolved(block.gates.between, pooled, among)).sigmoid()
            total, count = torch.zeros_like(local), torch.zeros(len(local), 1)
            for gate, members in zip(gates, groups, strict=True):
                total[members] = total[members] + gate
                count[members] += 1
            gate = torch.where(count > 0, total / count.clamp_min(1), torch.ones_like(total))
            rows = functional.silu(local * gate + rows)
        found.append(rows)
    return torch.stack(found)


def median(call: Callable[[], object], threads: int) -> float:
    """Seconds of one call."""
    return Timer("call()", globals={"call": call}, num_threads=threads).blocked_autorange(min_run_time=3).median


def main() -> None:
    """Ratios of one run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=32)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)

    # Forward and backward, K = 133, d = 256, batch statistics of the whole batch or of each sample
    skeleton = read_skeleton("coco_wholebody")
    part = HierarchicalGraph(width=256)
    tokens = torch.randn(options.batch, 133, 256, requires_grad=True)
    adjacency = torch.from_numpy(skeleton.adjacency()).expand(options.batch, -1, -1)
    members = torch.from_numpy(skeleton.membership()).expand(options.batch, -1, -1)
    mask = torch.ones(options.batch, 133, dtype=torch.bool)
    edges = torch.from_numpy(skeleton.adjacency()).nonzero().T
    groups = [torch.tensor(each) for each in skeleton.parts.values()]
    part.eval()
    with torch.no_grad():
        torch.testing.assert_close(part(tokens, adjacency, mask, members), looped(part, tokens, edges, groups))
    part.train()
    ours = median(lambda: part(tokens, adjacency, mask, members).sum().backward(), options.threads)
    theirs = median(lambda: looped(part, tokens, edges, groups).sum().backward(), options.threads)
    print(
        f"hierarchical graph, B = {options.batch}: {ours * 1e3:.0f} ms, in a loop {theirs * 1e3:.0f} ms: "
        f"{theirs / ours:.1f} times"
    )

    # One person through CIGPose-m: what stands between the embeddings and the head, relative to the backbone
    model = make_model(load_config("cigpose-m_8xb64-420e_coco-wholebody-256x192")).eval()
    for batch in (1, options.batch):
        image = torch.randn(batch, 3, 256, 192)
        with torch.inference_mode():
            embedded = model.embed(image)
            backbone = median(lambda image=image: model.backbone(image), options.threads)
            plain = median(lambda embedded=embedded: model.head(embedded), options.threads)
            whole = median(lambda embedded=embedded: model.place(model.intervene(embedded).tokens), options.threads)
        added = (whole - plain) / backbone
        print(
            f"CIGPose-m, B = {batch}: backbone {backbone * 1e3:.1f} ms, head {plain * 1e3:.1f} ms, "
            f"with intervention and graph {whole * 1e3:.1f} ms: +{100 * added:.1f} % of the backbone"
        )


if __name__ == "__main__":
    main()
