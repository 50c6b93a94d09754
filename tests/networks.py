"""A few-shot model small enough for a test, and two episodes to show it."""

from mmengine.dataset import default_collate

from cape.data.drawn import Drawn
from cape.data.episodes import Episodes
from cape.structures import Episode

SMALL = {
    # zero_init_last would silence the residual branches of a network that has not learnt yet
    "visual": {"type": "VisualEncoder", "name": "resnet10t", "options": {"zero_init_last": False}},
    "support": {"type": "SupportEncoder"},
    "text": {"type": "TextEncoder"},
    "matching": {"layers": 1, "hidden": 48, "gate": 16, "heads": 4, "dropout": 0.0},
    "decoder": {"layers": 2, "heads": 4, "graph": {"hidden": 48}, "dropout": 0.0},
    "width": 32,
}


def two_episodes() -> Episode:
    """One of a fish, one of a chair, as a batch."""
    source = Drawn(instances=3, categories=("fish", "chair"), size=96)
    episodes = Episodes(source=source, shots=1, size=128)
    return default_collate([episodes[0], episodes[len(episodes) - 1]])
