"""Reading a text: every token once, from windows that reach back far enough."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from topklm.core.errors import InputError
from topklm.core.site import Neuron
from topklm.data.tokenizer import encode_prompt
from topklm.features.neurons import LayerNeurons
from topklm.features.reading import codes_of_long, open_reading, read, strongest, windows
from topklm.model import SparseCodes
from topklm.training import Run, load

TEXT = "The cat went to the wood. There the fox saw 3 stones."


@pytest.fixture(scope="module")
def source(trained: Run) -> LayerNeurons:
    model, tokenizer, _ = load(trained.path)
    return LayerNeurons(model, tokenizer)


@given(st.integers(1, 300), st.integers(1, 40))
def test_windows_cover_every_token_once_and_reach_back_half_a_context(length: int, context: int) -> None:
    found = list(windows(length, context))
    assert [place for one in found for place in range(one.new, one.stop)] == list(range(length))
    for one in found:
        assert 0 < one.stop - one.start <= context
        assert one.start == 0 or one.new - one.start >= context // 2


def test_a_short_text_is_read_in_one_pass(source: LayerNeurons) -> None:
    ids = encode_prompt(source.tokenizer, TEXT)
    assert len(ids) <= 32
    assert codes_of_long(source, ids) == source.codes(torch.tensor([ids]))


def test_a_long_text_has_a_row_for_every_token(source: LayerNeurons) -> None:
    ids = encode_prompt(source.tokenizer, TEXT * 5)
    assert len(ids) > 64
    codes = codes_of_long(source, ids)
    for one in codes.values():
        assert one.counts.tolist() == [8] * len(ids)
    first = source.codes(torch.tensor([ids[:32]]))
    assert codes[0][:32].indices.equal(first[0].indices)


def test_each_token_stands_once_with_its_strongest_neurons(source: LayerNeurons) -> None:
    tokens = read(source, TEXT, top=2, top_token=lambda name: f"<{name}>")
    assert "".join(one.token for one in tokens) == TEXT
    codes = source.codes(torch.tensor([encode_prompt(source.tokenizer, TEXT)]))
    for row, one in enumerate(tokens, start=1):
        assert list(one.firings) == ["L0", "L1"]
        for layer in (0, 1):
            dense = codes[layer][row].to_dense()[0]
            best = int(dense.abs().argmax())
            firings = one.firings[f"L{layer}"]
            assert firings[0].feature == str(Neuron(layer, best))
            assert firings[0].activation == dense[best].item()
            assert firings[0].top_token == f"<{firings[0].feature}>"
            assert len(firings) == 2
            assert abs(firings[0].activation) >= abs(firings[1].activation)


def test_the_strongest_are_by_size_and_keep_their_sign() -> None:
    codes = SparseCodes.from_dense(torch.tensor([[0.0, 1.0, -3.0, 1.0]]))
    assert strongest(codes, 0, 3) == [(2, -3.0), (1, 1.0), (3, 1.0)]
    assert strongest(codes, 0, 9) == strongest(codes, 0, 3)


def test_what_cannot_be_read_is_said_in_a_line(source: LayerNeurons) -> None:
    for text, options, message in (
        ("", {}, "the text is empty"),
        ("x", {"sites": [2]}, "layer 2 has no features of topk; choose among 0, 1"),
        ("x", {"top": 0}, "choose 1 or more"),
        ("\udce9", {}, "not valid UTF-8"),
    ):
        with pytest.raises(InputError, match=message):
            read(source, text, **options)  # type: ignore[arg-type]


def test_a_reading_says_what_reading_says(source: LayerNeurons) -> None:
    opened, told = open_reading(source, TEXT), read(source, TEXT, top=4)
    assert opened.tokens == [one.token for one in told]
    for place, one in enumerate(told):
        for site in source.sites:
            assert tuple(opened.strongest(place, site, top=4)) == one.firings[f"L{site}"]


def test_a_readings_activations_are_the_features_column(source: LayerNeurons) -> None:
    opened = open_reading(source, TEXT)
    ids = encode_prompt(source.tokenizer, TEXT)
    dense = codes_of_long(source, ids)[1].to_dense()[1:]
    for index in range(source.width(1)):
        assert opened.activations(Neuron(1, index)) == dense[:, index].tolist()


def test_predictions_are_the_models_own(source: LayerNeurons) -> None:
    opened = open_reading(source, TEXT)
    ids = encode_prompt(source.tokenizer, TEXT)
    with torch.no_grad():
        shares = source.model(input_ids=torch.tensor([ids])).logits[0].softmax(-1)
    for place in (0, len(opened.tokens) - 1):
        found = opened.predictions(place, top=3)
        assert [one.probability for one in found] == pytest.approx(
            shares[place + 1].topk(3).values.tolist(), rel=1e-4
        )
    assert sum(one.probability for one in opened.predictions(0, top=10_000)) == pytest.approx(1, rel=1e-4)
    with pytest.raises(InputError, match="empty"):
        open_reading(source, "")
