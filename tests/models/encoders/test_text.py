"""The text encoder: frozen, one vector a string whatever stands beside it, one table for all copies, clear refusals."""

import copy
import pickle
import threading

import pytest
import torch
from torch import nn

from cape.errors import UsageError
from cape.models.encoders import sentence, text
from cape.models.encoders.text import TextEncoder
from cape.registry import MODELS

WORDS = ["left eye", "the tip of the tail, seen from behind", "wheel", "a", "left ear", "nose", "right eye"]


@pytest.fixture(autouse=True)
def own_tables():
    """No test finds what another one has embedded."""
    text._shared_table.cache_clear()
    yield
    text._shared_table.cache_clear()


@pytest.fixture
def asked(monkeypatch) -> list[list[str]]:
    """What the encoder is asked, call by call; `[]` stands for its loading."""
    calls: list[list[str]] = []
    load = text.load_encoder

    def spying(source):
        encode = load(source)
        calls.append([])

        def spy(texts):
            calls.append(list(texts))
            return encode(texts)

        return spy

    monkeypatch.setattr(text, "load_encoder", spying)
    return calls


def make(**options) -> TextEncoder:
    return TextEncoder(**{"name": "random", "width": 32, **options})


@pytest.mark.parametrize(("name", "width"), [("minilm", 384), ("random", 64)])
def test_unit_rows_for_texts_and_zeros_without(name: str, width: int) -> None:
    encoder = TextEncoder(name=name, width=width)
    embedded, mask = encoder([("left eye", "wheel"), ("", "left eye"), ("nose", "")])
    assert embedded.shape == (2, 3, width) and mask.tolist() == [[True, False, True], [True, True, False]]
    assert embedded.dtype == torch.float32 and mask.dtype == torch.bool
    torch.testing.assert_close(embedded.norm(dim=-1), mask.float())
    torch.testing.assert_close(embedded[0, 0], embedded[1, 1], rtol=0, atol=0)
    assert (embedded[0, 0] - embedded[1, 0]).abs().max() > 1e-3, "different texts"
    again = encoder.embed(["wheel", "", "left eye"])
    torch.testing.assert_close(again, torch.stack([embedded[1, 0], embedded[0, 1], embedded[0, 0]]), rtol=0, atol=0)


def test_minilm_knows_what_words_mean() -> None:
    tail, end, wheel = TextEncoder().embed(["tail of the animal", "the animal's tail", "front left wheel of a car"])
    assert tail @ end > 0.8
    assert tail @ wheel < 0.5


def test_nothing_is_loaded_before_the_first_string_and_each_string_is_asked_once(asked) -> None:
    encoder = make()
    encoder.embed(["", ""])
    assert asked == []
    encoder([("nose", "tail"), ("nose", "")])
    encoder.embed(["tail", "ear", "nose"])
    assert asked == [[], ["nose", "tail"], ["ear"]]
    make().embed(["nose"])
    assert len(asked) == 3, "encoders with the same options share what they know"
    make(width=64).embed(["nose"])
    assert asked[3:] == [[], ["nose"]]


def test_many_strings_go_in_batches(asked) -> None:
    texts = [f"point {i}" for i in range(2 * text.BATCH + 1)]
    encoder = make()
    assert encoder.embed(texts).shape == (len(texts), 32)
    assert [len(call) for call in asked[1:]] == [text.BATCH, text.BATCH, 1]
    assert [each for call in asked for each in call] == sorted(texts)
    torch.testing.assert_close(encoder.embed(texts[::-1]), encoder.embed(texts).flip(0), rtol=0, atol=0)


def test_a_vector_does_not_depend_on_its_neighbours() -> None:
    """Padding, order and batch: the CLS token sees no pad, and the table keeps its rows apart."""
    together = make().embed(WORDS)
    for order in (list(reversed(WORDS)), sorted(WORDS, key=len)):
        text._shared_table.cache_clear()
        other = make().embed(order)
        torch.testing.assert_close(other[[order.index(word) for word in WORDS]], together, atol=1e-5, rtol=0)
    for word, vector in list(zip(WORDS, together, strict=True))[:3]:
        text._shared_table.cache_clear()
        torch.testing.assert_close(make().embed([word])[0], vector, atol=1e-5, rtol=0)


def test_random_is_the_same_everywhere_and_leaves_the_generator_alone() -> None:
    first = make().embed(WORDS)
    text._shared_table.cache_clear()
    torch.manual_seed(99)
    before = torch.get_rng_state()
    torch.testing.assert_close(make().embed(WORDS), first, rtol=0, atol=0)
    assert torch.equal(torch.get_rng_state(), before)


def test_random_is_a_gte_whose_first_token_is_taken(monkeypatch) -> None:
    from transformers import GteModel

    seen = []
    original = GteModel.forward

    def spy(self, *arguments, **options):
        output = original(self, *arguments, **options)
        seen.append((self, options["attention_mask"], output.last_hidden_state))
        return output

    monkeypatch.setattr(GteModel, "forward", spy)
    found = make().embed(sorted(WORDS))
    ((model, mask, hidden),) = seen
    assert len(model.layers) == 2 and model.embeddings.token_type_embeddings is None
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert mask.sum(1).tolist() == [len(word) + 2 for word in sorted(WORDS)]
    torch.testing.assert_close(found, nn.functional.normalize(hidden[:, 0], dim=-1))
    mean = nn.functional.normalize((hidden * mask[..., None]).sum(1), dim=-1)
    assert (found - mean).abs().max() > 1e-2, "the test could not tell CLS from mean pooling"


def test_frozen_means_no_parameter_no_state_and_no_dropout() -> None:
    encoder = make()
    vectors = encoder.embed(WORDS[:3])
    parent = nn.Sequential(encoder).train()
    assert not list(parent.parameters()) and not list(parent.state_dict()) and len(list(parent.modules())) == 2
    assert not vectors.requires_grad
    # New strings, with the parent in training mode, twice: dropout would tell the two apart.
    first = encoder.embed(WORDS)
    text._shared_table.cache_clear()
    again = make().train().embed(WORDS)
    torch.testing.assert_close(first, again, atol=1e-5, rtol=0)


def test_what_surrounds_the_first_call_does_not_matter() -> None:
    plain = make().embed(WORDS)
    for context in (torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16), torch.device("meta")):
        text._shared_table.cache_clear()
        encoder = make()
        with context:
            first = encoder.embed(WORDS)
        assert first.device.type == "cpu"
        torch.testing.assert_close(first, plain, rtol=0, atol=0)
        # Learned under inference mode, used in training: the graph must be able to keep it.
        weight = torch.ones(32, requires_grad=True)
        (encoder.embed(WORDS) * weight).sum().backward()
        assert weight.grad.abs().sum() > 0


def test_callers_cannot_spoil_the_table() -> None:
    encoder = make()
    before = encoder.embed(WORDS).clone()
    encoder.embed(WORDS).zero_()
    encoder([(word,) for word in WORDS])[0].mul_(2)
    torch.testing.assert_close(encoder.embed(WORDS), before, rtol=0, atol=0)


def test_embeddings_go_where_the_module_is() -> None:
    encoder = make()
    plain, _ = encoder([(word,) for word in WORDS])
    half, mask = encoder.to(torch.float64)([(word,) for word in WORDS])
    assert half.dtype == torch.float64 and mask.dtype == torch.bool
    torch.testing.assert_close(half, plain.double())
    grown = encoder.embed([*WORDS, "something new"])
    assert grown.dtype == torch.float64
    torch.testing.assert_close(grown[:-1], half[0], rtol=0, atol=0)
    on_meta, mask = encoder.to("meta")([(word,) for word in WORDS])
    assert on_meta.is_meta and mask.is_meta


def test_copies_share_the_encoder_and_pickles_name_it(asked) -> None:
    encoder = make()
    before = encoder.embed(WORDS)
    average = copy.deepcopy(nn.Sequential(encoder))
    assert average[0]._table is encoder._table
    content = pickle.dumps(encoder)
    assert len(content) < 4000, "neither weights nor embeddings travel"
    restored = pickle.loads(content)  # noqa: S301 (our own)
    torch.testing.assert_close(restored.embed(WORDS), before, rtol=0, atol=0)
    average[0].embed(WORDS)
    assert len(asked) == 2
    text._shared_table.cache_clear()  # as in another process
    torch.testing.assert_close(pickle.loads(content).embed(WORDS), before, rtol=0, atol=0)  # noqa: S301
    assert len(asked) == 4


def test_threads_share_one_table(asked) -> None:
    encoder = make()
    expected = {word: make(tokens=76).embed([word])[0] for word in WORDS}
    asked.clear()
    failures = []

    def work(offset: int) -> None:
        for step in range(20):
            word = WORDS[(offset + step) % len(WORDS)]
            if not torch.allclose(encoder.embed([word])[0], expected[word], atol=1e-5):
                failures.append(word)

    threads = [threading.Thread(target=work, args=(offset,)) for offset in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert asked.count([]) == 1 and sorted(word for call in asked for word in call) == sorted(WORDS)


def test_an_error_leaves_the_table_as_it_was(monkeypatch) -> None:
    encoder = make()
    before = encoder.embed(WORDS)
    encode = encoder._table._encode

    def failing(texts):
        raise RuntimeError("out of memory")

    encoder._table._encode = failing
    with pytest.raises(RuntimeError, match="memory"):
        encoder.embed(["new"])
    torch.testing.assert_close(encoder.embed(WORDS), before, rtol=0, atol=0)
    encoder._table._encode = encode
    assert encoder.embed(["new"]).norm() > 0.99


@pytest.mark.parametrize(("name", "width"), [("minilm", 384), ("random", 32)])
def test_the_text_after_the_last_token_is_cut_off(name: str, width: int) -> None:
    encoder = TextEncoder(name=name, width=width, tokens=7)
    whole, longer, other = (
        encoder.embed(["a a a a a", "a a a a a b c", "a a a"])
        if name == "minilm"
        else encoder.embed(["aaaaa", "aaaaabc", "aaa"])
    )
    torch.testing.assert_close(whole, longer, atol=1e-5, rtol=0)
    assert (whole - other).abs().max() > 1e-4


@pytest.mark.parametrize("names", ["nose", ["nose", "tail"], [("a", "b"), ("c",)], []], ids=repr)
def test_refuses_what_is_no_table_of_strings(names, refused) -> None:
    with refused(UsageError, "keypoint names", "strings"):
        make()(names)


@pytest.mark.parametrize("odd", [3, None, b"tail", ["tail"]], ids=repr)
def test_refuses_what_is_no_string(odd, refused) -> None:
    # Past the annotations, which the tests would enforce before it.
    with refused(UsageError, f"{odd!r} among them"):
        text._common_length([("nose", "tail"), ("nose", odd)])
    with refused(UsageError, "keypoint names"):
        text._common_length(odd)


def test_refuses_one_string_where_several_belong(refused) -> None:
    with refused(UsageError, "keypoint names", "nose"):
        make().embed("nose")
    assert make().embed([]).shape == (0, 32)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"width": 99}, ("width 99", "384")),
        ({"name": "gte"}, ("width 384", "768")),
        ({"name": "clip", "width": 768}, ("width 768", "512")),
        ({"name": "random", "width": 30}, ("width 30", "4 divides")),
        ({"name": "random", "width": 0}, ("width 0",)),
        ({"tokens": 2}, ("3 tokens",)),
        ({"sha256": "0" * 64}, ("come with cape",)),
        ({"name": "random", "revision": "main"}, ("come with cape",)),
    ],
)
def test_options_that_do_not_go_together_are_refused_at_once(options, words, refused) -> None:
    with refused(UsageError, *words):
        TextEncoder(**options)


def test_building_reads_no_file(monkeypatch) -> None:
    monkeypatch.setattr(text, "load_encoder", None)
    monkeypatch.setattr(sentence.Path, "open", None)
    for name, width in [("gte", 768), ("clip", 512), ("owner/name", 16), ("/no/such/folder", 16)]:
        with torch.device("meta"):
            model = MODELS.build({"type": "TextEncoder", "name": name, "width": width})
        assert model.width == width
