"""What a frozen network does on a data set, observed once: what its confidence is learnt from, and tested on."""

import hashlib
import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.dataset import pseudo_collate
from safetensors.torch import load, save
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from cape.data.corruption import CLEAN, Corruption
from cape.data.episodes import Episodes, Source
from cape.data.people import PersonCrops
from cape.data.transforms import PADDING
from cape.errors import DataError
from cape.features import Progress, encode_crops, silent
from cape.files import write_atomically
from cape.inference import Encoded, locate_episodes, pairs_of
from cape.models.calibration import CalibratedPose
from cape.models.encoders.visual import VisualEncoder
from cape.structures import Evidence, Observation, Outcome, Reading


class Observations(Dataset):
    """Observed poses, of which none is looked at again.

    Args:
        batches: Of observations; keypoints are padded to the most that there are.

    Raises:
        DataError: There are none, or no keypoint in them is labelled.
    """

    def __init__(self, batches: Iterable[Observation]) -> None:
        found = [_narrow(each) for each in batches]
        if not any(each.outcome.labelled.any() for each in found):
            got = f"{sum(len(each.row) for each in found)} poses without one"
            raise DataError("observations", expected="labelled keypoints", got=got, fix="Check the data set.")
        self.metainfo: dict[str, object] = {}
        width = max(each.evidence.mask.shape[1] for each in found)
        self.all = _joined([_padded(each, width) for each in found])

    def __len__(self) -> int:
        return len(self.all.row)

    def __getitem__(self, item: int) -> Observation:
        """One pose."""
        evidence, outcome, group, row = self.all
        return Observation(
            Evidence(*(field[item].float() if field.is_floating_point() else field[item] for field in evidence)),
            Outcome(*(field[item] for field in outcome)),
            group[item],
            row[item],
        )

    def set_epoch(self, epoch: int) -> None:
        """Every epoch is the same."""
        del epoch

    def save(self, path: Path) -> None:
        """Keep them, whole or not at all."""
        write_atomically(path, save({name: field.contiguous() for name, field in _flat(self.all).items()}))

    @classmethod
    def load(cls, path: Path) -> "Observations | None":
        """What `save` kept; None if there is none, or a damaged file, which is then made again."""
        try:
            fields = load(path.read_bytes())
            evidence = Evidence(*(fields[f"evidence.{name}"] for name in Evidence._fields))
            outcome = Outcome(*(fields[f"outcome.{name}"] for name in Outcome._fields))
            return cls([Observation(evidence, outcome, fields["group"], fields["row"])])
        except Exception:  # safetensors raises its own type, a missing file OSError
            return None


def identity_of(
    page: CalibratedPose, data: Episodes | PersonCrops, damages: Sequence[Corruption], *, options: Mapping[str, Any]
) -> str:
    """A hash of all that observations depend on.

    Args:
        page: Its network's weights, what reads it, and what answers are compared with.
        data: What is observed.
        damages: Of its prompts.
        options: Of the network; some leave no trace in its weights.
    """
    kept = (type(page.head).__name__, getattr(page.head, "cells", None))  # what it condenses maps to
    told = (sorted(options.items()), data.digest(), list(damages), kept)
    found = hashlib.sha256(repr(told).encode())
    found.update(repr((type(page.target).__name__, sorted(vars(page.target).items()))).encode())
    found.update(Path(inspect.getfile(type(page.reader))).read_bytes())
    for name, value in page.network.state_dict().items():
        found.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    if isinstance(data, Episodes) and data.pairs is not None:
        found.update(data.pairs.digest().encode())
    return found.hexdigest()


def _flat(seen: Observation) -> dict[str, Tensor]:
    fields = {f"evidence.{name}": field for name, field in seen.evidence._asdict().items()}
    fields |= {f"outcome.{name}": field for name, field in seen.outcome._asdict().items()}
    return {**fields, "group": seen.group, "row": seen.row}


def _narrow(batch: Observation) -> Observation:
    """On the CPU, vectors and maps in half precision."""
    evidence = batch.evidence
    kept = Evidence(
        evidence.tokens.half(), evidence.feature.half(), evidence.points, evidence.cues.float(), evidence.mask
    )
    fields = (Evidence(*(each.cpu() for each in kept)), Outcome(*(each.cpu() for each in batch.outcome)))
    return Observation(*fields, batch.group.cpu(), batch.row.cpu())


def _padded(batch: Observation, width: int) -> Observation:
    def wider(field: Tensor, name: str) -> Tensor:
        extra = width - field.shape[1]
        if name == "feature" or extra == 0:
            return field
        return F.pad(field, (0, 0) * (field.dim() - 2) + (0, extra))

    evidence = Evidence(*(wider(field, name) for name, field in batch.evidence._asdict().items()))
    return batch._replace(evidence=evidence, outcome=Outcome(*(wider(each, "") for each in batch.outcome)))


def _joined(batches: Sequence[Observation]) -> Observation:
    evidence, outcome, group, row = zip(*batches, strict=True)
    return Observation(
        Evidence(*(torch.cat(field) for field in zip(*evidence, strict=True))),
        Outcome(*(torch.cat(field) for field in zip(*outcome, strict=True))),
        torch.cat(group),
        torch.cat(row),
    )


def observe_episodes(
    page: CalibratedPose,
    episodes: Episodes,
    *,
    damages: Sequence[Corruption] = (CLEAN,),
    queries: Source | None = None,
    workers: int = 0,
    progress: Progress = silent,
) -> Iterator[Observation]:
    """What a few-shot network finds in the pairs of an evaluation.

    Errors are measured by the longest side of the annotated box, wherever views are cut. Of a keypoint that the support
    shows and the query has no label for, the picture is taken not to show it.

    Args:
        page: Around the network.
        episodes: With pairs.
        damages: Each pair is observed under each of them: names may be missing, or clicks.
        queries: The same instances with other pictures (`data.patched`), which queries are looked at in.
        workers: Processes that decode pictures.
        progress: Shows the progress.
    """
    network, table = page.network, episodes.table
    encoded = None if queries is None else _seen_in(queries, episodes, network.visual, workers=workers)
    for number, damage in enumerate(damages):
        for each in locate_episodes(
            network, episodes, corruption=damage, workers=workers, progress=progress, encoded=encoded
        ):
            with torch.inference_mode():
                evidence = page.reader.evidence(network, each.found, each.tokens, each.query)
            labels, mask = each.labels, evidence.mask.cpu()
            query = each.pairs[:, -1]
            side = table.side[query] / (PADDING * table.crop[query, 2:].max(axis=1))
            yield page.observe(
                Reading(
                    answer=each.found,
                    evidence=(evidence,),
                    points=evidence.points.cpu(),
                    truth=labels.query.points,
                    size=torch.from_numpy(side),
                    labelled=labels.query.visible & mask,
                    known=labels.support.visible.any(dim=1) & mask,
                    group=torch.as_tensor(labels.category),
                    row=torch.from_numpy(each.rows) + number * len(episodes),
                )
            )


def _seen_in(queries: Source, episodes: Episodes, encoder: VisualEncoder, *, workers: int) -> Encoded:
    """Features of the queries in other pictures, and of the supports in their own."""
    used = np.unique(pairs_of(episodes).table)
    row = np.zeros(len(episodes.source.instances), dtype=np.int64)
    row[used] = np.arange(len(used))
    query, support = (
        encode_crops(each, used.tolist(), encoder, workers=workers) for each in (queries, episodes.source)
    )
    return Encoded(row, query, support)


def observe_people(
    page: CalibratedPose, crops: PersonCrops, *, batch_size: int = 32, workers: int = 0, progress: Progress = silent
) -> Iterator[Observation]:
    """What a network of people finds of everybody, in crops without augmentation."""
    loader = DataLoader(
        crops, batch_size=batch_size, num_workers=workers, collate_fn=pseudo_collate, generator=torch.Generator()
    )
    for batch in progress(loader, "observing"):
        yield page.observe(page.read(**page.network.data_preprocessor(batch, False)))
