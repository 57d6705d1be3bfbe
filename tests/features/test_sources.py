"""Sources: what they share, and what each control is."""

import copy
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from samples import SHAPE, sentences
from topklm.core.errors import InputError
from topklm.core.site import Neuron
from topklm.data import Corpus, Document, Packed, pack
from topklm.data.tokenizer import train_tokenizer
from topklm.features import (
    DenseNeurons,
    FeatureSource,
    LayerNeurons,
    PosthocNeurons,
    ShuffledTokens,
    SteerableSource,
    capture,
    dense_thresholds,
    random_neurons,
    token_effects,
)
from topklm.features.effects import probe_contexts
from topklm.features.hooks import read_sites
from topklm.model import SparseCodes, TopKLMConfig, TopKLMForCausalLM, topk

TOKENIZER = train_tokenizer(sentences(60), 300)


def dense_model() -> TopKLMForCausalLM:
    torch.manual_seed(0)
    return TopKLMForCausalLM(TopKLMConfig(**SHAPE, topk_layers=[])).eval()


def hidden_states(model: TopKLMForCausalLM, ids: torch.Tensor) -> dict[int, torch.Tensor]:
    """Every layer's residual stream, by transformers' own option (which norms the last one)."""
    with torch.no_grad():
        states = model(ids, output_hidden_states=True).hidden_states
    return dict(enumerate(states[1:-1]))


def test_layer_neurons_are_the_models_own_codes(small_model: TopKLMForCausalLM, ids: torch.Tensor) -> None:
    source = LayerNeurons(small_model, TOKENIZER)
    assert isinstance(source, FeatureSource)
    assert isinstance(source, SteerableSource)
    assert (source.name, source.kind, source.sites, source.depth) == ("topk", Neuron, (0, 1), 4)
    assert (source.width(0), source.context, source.dtype) == (64, 64, "float32")
    states = hidden_states(small_model, ids)
    codes = source.codes(ids)
    for site in source.sites:
        assert codes[site] == SparseCodes.from_dense(states[site])
        assert source.encode(site, states[site]) == codes[site]
        assert torch.equal(source.decode(site, codes[site]), states[site].flatten(0, 1))


def test_a_revision_names_weights_and_selection(small_model: TopKLMForCausalLM) -> None:
    first = LayerNeurons(small_model, TOKENIZER).revision
    assert LayerNeurons(small_model, TOKENIZER).revision == first
    small_model.set_topk(k=9)
    second = LayerNeurons(small_model, TOKENIZER).revision
    with torch.no_grad():
        small_model.lm_head.weight[0, 0] += 1
    third = LayerNeurons(small_model, TOKENIZER).revision
    assert len({first, second, third}) == 3
    assert LayerNeurons(small_model, TOKENIZER, revision="abc").revision == "abc"


def test_a_model_still_annealing_is_read_at_its_final_k(
    small_model: TopKLMForCausalLM, ids: torch.Tensor
) -> None:
    small_model.set_topk(k=40, blend=0.5)
    with pytest.raises(InputError, match="still annealing"):
        LayerNeurons(small_model, TOKENIZER)
    codes = LayerNeurons(small_model, TOKENIZER, k=8).codes(ids)
    assert all(bool((one.counts == 8).all()) for one in codes.values())


def test_a_dense_model_has_no_layer_neurons() -> None:
    with pytest.raises(InputError, match="the model is dense"):
        LayerNeurons(dense_model(), TOKENIZER)


def test_random_neurons_are_a_function_of_their_seed_alone(
    small_model: TopKLMForCausalLM, ids: torch.Tensor
) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first, again, other = (random_neurons(small_model, TOKENIZER, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected)
    assert first.codes(ids)[1] == again.codes(ids)[1]
    assert first.codes(ids)[1] != other.codes(ids)[1]
    assert first.revision == again.revision != other.revision
    assert first.name == "random"
    assert first.codes(ids)[1] != LayerNeurons(small_model, TOKENIZER).codes(ids)[1]


class OfTheTokenAlone:
    """A source whose codes depend on each token, on nothing else."""

    name, kind, revision, dtype, context, depth, sites = "alone", Neuron, "0", "float32", 8, 1, (0,)
    tokenizer = TOKENIZER

    def width(self, site: int) -> int:
        return 300

    def codes(
        self, token_ids: torch.Tensor, attention_mask: torch.Tensor | None = None
    ) -> dict[int, SparseCodes]:
        flat = token_ids.flatten()
        return {0: SparseCodes(torch.arange(len(flat) + 1), flat.int(), 1.0 + flat.float(), 300)}


@settings(deadline=None)
@given(st.integers(1, 3), st.integers(1, 8), st.integers(0, 5))
def test_shuffling_changes_nothing_where_only_the_token_counts(rows: int, length: int, seed: int) -> None:
    ids = torch.randint(0, 300, (rows, length), generator=torch.Generator().manual_seed(seed))
    source = OfTheTokenAlone()
    assert ShuffledTokens(source, seed=seed).codes(ids)[0] == source.codes(ids)[0]


def test_a_shuffled_token_gets_the_code_of_its_shuffled_place(
    small_model: TopKLMForCausalLM, ids: torch.Tensor
) -> None:
    source = LayerNeurons(small_model, TOKENIZER)
    shuffled = ShuffledTokens(source, seed=4)
    order = [shuffled.order(row, torch.arange(12)) for row in ids]
    assert any(not torch.equal(one, torch.arange(12)) for one in order)
    read = torch.stack([row[one] for row, one in zip(ids, order, strict=True)])
    expected = source.codes(read)[1].to_dense().view(2, 12, -1)
    found = shuffled.codes(ids)[1].to_dense().view(2, 12, -1)
    for row in range(2):
        for place in range(12):
            assert torch.equal(found[row, order[row][place]], expected[row, place])
    assert shuffled.codes(ids)[1] == shuffled.codes(ids)[1]
    assert torch.allclose(shuffled.codes(ids[1:])[1].to_dense(), found[1], atol=1e-5)  # whatever its company
    assert shuffled.revision != ShuffledTokens(source, seed=5).revision != source.revision
    assert not isinstance(shuffled, SteerableSource)


def test_random_neurons_of_an_annealing_model_are_read_at_the_k_asked_for(
    small_model: TopKLMForCausalLM, ids: torch.Tensor
) -> None:
    wide = copy.deepcopy(small_model)
    wide.set_topk(k=wide.config.hidden_size)
    codes = random_neurons(wide, TOKENIZER, k=3).codes(ids)
    assert all(int(one.counts.max()) <= 3 for one in codes.values())


def test_shuffling_leaves_padding_where_it_is(small_model: TopKLMForCausalLM, ids: torch.Tensor) -> None:
    mask = torch.ones_like(ids)
    mask[0, :5] = 0
    order = ShuffledTokens(LayerNeurons(small_model, TOKENIZER)).order(ids[0], mask[0].nonzero().flatten())
    assert order[:5].tolist() == [0, 1, 2, 3, 4]
    assert sorted(order[5:].tolist()) == [5, 6, 7, 8, 9, 10, 11]


@pytest.mark.parametrize("share", [1 / 24, 0.25, 1.0])
def test_a_dense_neuron_fires_on_its_share_of_the_tokens_it_was_set_on(
    ids: torch.Tensor, share: float
) -> None:
    model = dense_model()
    thresholds = dense_thresholds(model, ids, sites=[0, 2], share=share, batch_rows=1)
    source = DenseNeurons(model, TOKENIZER, thresholds=thresholds)
    assert source.sites == (0, 2)
    codes, states = source.codes(ids), hidden_states(model, ids)
    for site in source.sites:
        fired = codes[site].to_dense() != 0
        assert bool((fired.sum(dim=0) == round(share * 24)).all())
        values = states[site].flatten(0, 1)
        above = torch.where(thresholds[site] < 0, values - thresholds[site], values)
        assert torch.allclose(codes[site].values, above[fired], atol=1e-6)
        assert bool((codes[site].values > 0).all())
        if share < 1:
            highest_silent = values.masked_fill(fired, -torch.inf).amax(dim=0)
            assert bool((values.masked_fill(~fired, torch.inf).amin(dim=0) >= highest_silent).all())
    with pytest.raises(InputError, match="share=0"):
        dense_thresholds(model, ids, sites=[0], share=0)


def test_posthoc_topk_is_topk_of_the_dense_state(ids: torch.Tensor) -> None:
    model = dense_model()
    source = PosthocNeurons(model, TOKENIZER, sites=[1, 2], k=5)
    states = hidden_states(model, ids)
    for site, codes in source.codes(ids).items():
        assert codes == SparseCodes.from_dense(topk(states[site], 5))
    assert source.revision != PosthocNeurons(model, TOKENIZER, sites=[1], k=6).revision


def test_reading_leaves_no_hook_even_after_an_error(
    small_model: TopKLMForCausalLM, ids: torch.Tensor
) -> None:
    def fail(site: int, hidden: torch.Tensor) -> None:
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        read_sites(small_model, ids, None, [0], fail)
    assert not small_model.model.layers[0]._forward_hooks


# --- one pass over a text ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Packed:
    documents = [Document(text, {}) for text in sentences(9)]

    def source() -> Iterator[Document]:
        return iter(documents)

    directory = tmp_path_factory.mktemp("packed")
    return pack(Corpus(("test",), (source,)), TOKENIZER, directory, "text")


@pytest.mark.parametrize("batch_tokens", [1, 16, 48, 10_000])
def test_a_pass_reads_every_token_once_in_order(packed: Packed, batch_tokens: int) -> None:
    batches = list(capture(OfTheTokenAlone(), packed, batch_tokens=batch_tokens))
    tokens = packed.tokens.astype(np.int64)
    assert torch.cat([batch.token_ids for batch in batches]).tolist() == tokens.tolist()
    positions = np.concatenate([batch.positions for batch in batches])
    assert positions.tolist() == list(range(len(tokens)))
    codes = SparseCodes.cat([batch.codes[0] for batch in batches])
    assert codes.indices.tolist() == tokens.tolist()
    documents = np.concatenate([batch.documents for batch in batches])
    assert np.flatnonzero(np.diff(documents, prepend=-1)).tolist() == packed.documents[:, 0].tolist()


def test_a_pass_can_be_cut_at_whole_batches(small_model: TopKLMForCausalLM, packed: Packed) -> None:
    source = LayerNeurons(small_model, TOKENIZER)
    whole = list(capture(source, packed, context=16, batch_tokens=64))
    pieces = [
        batch
        for start in range(0, len(packed.tokens), 128)
        for batch in capture(source, packed, context=16, batch_tokens=64, start=start, stop=start + 128)
    ]
    assert len(whole) == len(pieces)
    for one, other in zip(whole, pieces, strict=True):
        assert one.codes == other.codes


# --- effects ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 7])
def test_effects_are_the_change_of_log_probability_through_the_whole_model(
    small_model: TopKLMForCausalLM, length: int
) -> None:
    source = LayerNeurons(small_model, TOKENIZER)
    contexts = torch.randint(2, 300, (3, length), generator=torch.Generator().manual_seed(2))
    amounts = [0.5, 2.0, -1.0]

    def last(change: tuple[int, float] | None) -> torch.Tensor:
        def add(module: object, inputs: object, output: torch.Tensor) -> torch.Tensor:
            assert change is not None
            output = output.clone()
            output[:, -1, change[0]] += change[1]
            return output

        handle = None if change is None else small_model.model.layers[1].register_forward_hook(add)
        with torch.no_grad():
            found = small_model(contexts).logits[:, -1].log_softmax(dim=-1)
        if handle is not None:
            handle.remove()
        return found

    plain = last(None)
    [found] = token_effects(source, 1, [5, 0, 63], amounts, contexts, count=4)
    for row, (feature, amount) in enumerate(zip([5, 0, 63], amounts, strict=True)):
        change = (last((feature, amount)) - plain).mean(dim=0)
        rises, falls = change.topk(4), (-change).topk(4)
        assert torch.allclose(found.rises[row], rises.values, atol=1e-5)
        assert torch.allclose(found.falls[row], -falls.values, atol=1e-5)
        assert torch.allclose(change[found.promoted[row]], found.rises[row], atol=1e-5)
        assert torch.allclose(change[found.suppressed[row]], found.falls[row], atol=1e-5)


def test_effects_come_in_pieces_that_fit(
    small_model: TopKLMForCausalLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = LayerNeurons(small_model, TOKENIZER)
    contexts = torch.randint(2, 300, (2, 4), generator=torch.Generator().manual_seed(2))
    [whole] = token_effects(source, 0, range(6), [1.0] * 6, contexts)
    monkeypatch.setattr("topklm.features.effects.AT_ONCE", 2 * 300 * 2)
    pieces = list(token_effects(source, 0, range(6), [1.0] * 6, contexts))
    assert len(pieces) == 3
    assert torch.allclose(torch.cat([one.rises for one in pieces]), whole.rises, atol=1e-6)


@given(st.integers(1, 400))
def test_probe_contexts_fit_any_text(size: int) -> None:
    contexts = probe_contexts(torch.arange(size), count=16, length=16)
    assert 1 <= contexts.shape[0] <= 16
    assert contexts.shape[1] == min(16, size)
    assert bool((contexts.diff(dim=1) == 1).all())
    assert int(contexts.max()) < size
