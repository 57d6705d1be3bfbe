"""Steering: the laws of editing a model that runs, in fp32, on models drawn at random."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from samples import SHAPE, sentences
from topklm.core.errors import InputError
from topklm.core.site import Latent
from topklm.data.tokenizer import train_tokenizer
from topklm.features import Directions, LayerNeurons, PosthocNeurons
from topklm.features.hooks import CACHE, cached
from topklm.model import SparseCodes, TopKLMConfig, TopKLMForCausalLM
from topklm.steering import Edit, load_edits, save_edits, steer
from topklm.steering.editing import Steering

TOKENIZER = train_tokenizer(sentences(60), 300)
GREEDY: dict[str, Any] = {"do_sample": False, "max_new_tokens": 12, "min_new_tokens": 12, "pad_token_id": 1}


def drawn(**changes: Any) -> TopKLMForCausalLM:
    torch.manual_seed(0)
    return TopKLMForCausalLM(TopKLMConfig(**SHAPE, **{"topk_k": 8, **changes})).eval()


MODEL = drawn()
DENSE = drawn(topk_layers=[])


class Doubled:
    """A stand-in for an SAE: two latents a coordinate, of which only the first few are decoded."""

    def __init__(self, model: Any) -> None:
        inner = LayerNeurons(model, TOKENIZER)
        generator = torch.Generator().manual_seed(5)
        self.decoder = torch.randn(128, 64, generator=generator)
        self.model, self.tokenizer, self.name = model, TOKENIZER, "sae_2x"
        self.revision, self.dtype, self.context, self.depth = "r", inner.dtype, inner.context, inner.depth
        self.sites = (1,)
        self.kind = Latent

    def width(self, site: int) -> int:
        return 128

    def encode(self, site: int, hidden: torch.Tensor) -> SparseCodes:
        return SparseCodes.from_dense((hidden @ self.decoder.T).clamp(min=0))

    def decode(self, site: int, codes: SparseCodes) -> torch.Tensor:
        return codes.to_dense() @ self.decoder + 0.25

    def codes(self, token_ids: torch.Tensor, attention_mask: Any = None) -> dict[int, SparseCodes]:
        raise NotImplementedError


def state(model: Any, ids: torch.Tensor, layer: int, **keywords: Any) -> torch.Tensor:
    """What a block hands on, edits included."""
    found = {}
    handle = model.model.layers[layer].register_forward_hook(
        lambda module, inputs, output: found.setdefault(0, output)
    )
    try:
        with torch.no_grad():
            model(ids, use_cache=False, **keywords)
    finally:
        handle.remove()
    return found[0]


def logits(model: Any, ids: torch.Tensor, **keywords: Any) -> torch.Tensor:
    with torch.no_grad():
        return model(ids, **keywords).logits


def live(model: Any, ids: torch.Tensor, layer: int = 1) -> int:
    """The neuron of a layer that is largest on the last token of the first row."""
    return int(model.codes(ids)[layer].to_dense().view(*ids.shape, -1)[0, -1].argmax())


# --- what an edit does --------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(st.integers(0, 1), st.integers(0, 63), st.floats(-8, 8, width=32))
def test_each_action_is_what_it_says(layer: int, neuron: int, amount: float) -> None:
    ids = torch.randint(2, 300, (2, 9), generator=torch.Generator().manual_seed(neuron))
    before = state(MODEL, ids, layer)
    name = f"L{layer}/N{neuron}"
    expected = {
        "set_to": torch.full_like(before[..., neuron], amount),
        "add": before[..., neuron] + amount,
        "scale": before[..., neuron] * amount,
        "ablate": torch.zeros_like(before[..., neuron]),
    }
    for action, values in expected.items():
        with steer(MODEL, name, **{action: True if action == "ablate" else amount}):
            after = state(MODEL, ids, layer)
        assert torch.equal(after[..., neuron], values)
        after[..., neuron] = before[..., neuron]
        assert torch.equal(after, before)  # nothing else


@given(st.integers(0, 1), st.integers(0, 63))
@settings(max_examples=25)
def test_scale_one_after_topk_changes_nothing(layer: int, neuron: int) -> None:
    ids = torch.randint(2, 300, (2, 9), generator=torch.Generator().manual_seed(neuron))
    plain = logits(MODEL, ids)
    for keep_k in (False, True):
        with steer(MODEL, f"L{layer}/N{neuron}", scale=1, keep_k=keep_k):
            assert torch.equal(logits(MODEL, ids), plain)


def test_ablating_a_neuron_that_does_not_fire_changes_nothing(ids: torch.Tensor) -> None:
    plain = logits(MODEL, ids)
    fired = MODEL.codes(ids)[1].to_dense() != 0
    silent = (~fired.any(0)).nonzero().flatten().tolist()
    loud = fired.any(0).nonzero().flatten().tolist()
    assert silent
    for neuron in silent[:5]:
        with steer(MODEL, f"L1/N{neuron}", ablate=True):
            assert torch.equal(logits(MODEL, ids), plain)
    with steer(MODEL, f"L1/N{loud[0]}", ablate=True):
        assert not torch.equal(logits(MODEL, ids), plain)


@pytest.mark.parametrize("error", [False, True])
def test_leaving_the_block_restores_the_model(ids: torch.Tensor, error: bool) -> None:
    model = copy.deepcopy(MODEL)
    plain, attributes = logits(model, ids), set(model.__dict__)
    hooks = [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()]
    edits = [
        Edit("L1/N3", set_to=9.0, positions="generated"),
        Edit("L0/N3", add=9.0, before_topk=True),
        Edit("L1/N5", add=2.0),
    ]
    try:
        with steer(model, edits) as same:
            assert same is model
            assert not torch.equal(logits(model, ids), plain)
            if error:
                raise KeyError("inside")
    except KeyError:
        assert error
    assert torch.equal(logits(model, ids), plain)
    assert set(model.__dict__) == attributes
    assert [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()] == hooks


def test_blocks_nest_and_one_may_be_entered_again(ids: torch.Tensor) -> None:
    before = state(MODEL, ids, 1)[..., 7]
    outer, inner = steer(MODEL, "L1/N7", set_to=2.0), steer(MODEL, "L1/N7", scale=3.0)
    with outer:
        with inner:
            assert torch.equal(state(MODEL, ids, 1)[..., 7], torch.full_like(before, 6.0))
            with outer:
                assert torch.equal(state(MODEL, ids, 1)[..., 7], torch.full_like(before, 2.0))
        assert torch.equal(state(MODEL, ids, 1)[..., 7], torch.full_like(before, 2.0))
    assert torch.equal(state(MODEL, ids, 1)[..., 7], before)


def test_before_topk_the_neuron_competes_for_one_of_the_k_places(ids: torch.Tensor) -> None:
    silent = int((~(MODEL.codes(ids)[1].to_dense() != 0).any(0)).nonzero()[0])
    with steer(MODEL, f"L1/N{silent}", set_to=50.0, before_topk=True):
        strong = state(MODEL, ids, 1)
    assert bool((strong[..., silent] == 50).all())
    assert bool(((strong != 0).sum(-1) == 8).all())
    with steer(MODEL, f"L1/N{silent}", set_to=-50.0, before_topk=True):
        assert torch.equal(state(MODEL, ids, 1), state(MODEL, ids, 1))
        assert not bool((state(MODEL, ids, 1)[..., silent] != 0).any())
    with steer(MODEL, f"L1/N{silent}", set_to=50.0):
        assert bool(((state(MODEL, ids, 1) != 0).sum(-1) == 9).all())


@pytest.mark.parametrize("by", ["value", "magnitude"])
def test_keeping_k_drops_the_weakest_of_the_others(ids: torch.Tensor, by: str) -> None:
    model = drawn(topk_by=by)
    before = state(model, ids, 1)
    silent = (~(before != 0).any(0).any(0)).nonzero().flatten().tolist()[:2]
    edits = [Edit(f"L1/N{neuron}", set_to=0.001, keep_k=True) for neuron in silent]
    with steer(model, edits):
        after = state(model, ids, 1)
    assert bool(((after != 0).sum(-1) == 8).all())
    assert bool((after[..., silent] == 0.001).all())
    for old, new in zip(before.flatten(0, 1), after.flatten(0, 1), strict=True):
        kept = old[old != 0]
        order = kept.abs() if by == "magnitude" else kept
        expected = kept[order.argsort()[2:]].sort().values
        new = new.clone()
        new[silent] = 0
        assert torch.equal(new[new != 0].sort().values, expected)


# --- which tokens -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("positions", "edited"),
    [
        ("all", range(12)),
        ("prompt", range(12)),
        ("generated", ()),
        (slice(3, 6), (3, 4, 5)),
        (slice(9, None), (9, 10, 11)),
        ([True, False, True], (0, 2)),
    ],
)
def test_positions_choose_tokens(ids: torch.Tensor, positions: Any, edited: Any) -> None:
    before = state(MODEL, ids, 1)
    with steer(MODEL, "L1/N7", set_to=2.5, positions=positions):
        after = state(MODEL, ids, 1)
    changed = (after[..., 7] == 2.5).all(0).nonzero().flatten().tolist()
    assert changed == list(edited)
    untouched = [place for place in range(12) if place not in edited]
    assert torch.equal(after[:, untouched], before[:, untouched])


@pytest.mark.parametrize(
    "positions", ["all", "prompt", "generated", "3:", "2:14", [True] * 3 + [False] * 9 + [True] * 5]
)
@pytest.mark.parametrize("before_topk", [False, True])
def test_cached_and_uncached_steered_generation_agree(
    ids: torch.Tensor, positions: Any, before_topk: bool
) -> None:
    edits = [Edit("L1/N7", set_to=6.0, positions=positions, before_topk=before_topk)]
    plain = MODEL.generate(ids, **GREEDY)
    with steer(MODEL, edits):
        texts = [MODEL.generate(ids, use_cache=cache, **GREEDY) for cache in (True, False)]
    assert torch.equal(*texts)
    assert not torch.equal(texts[0], plain)
    assert torch.equal(MODEL.generate(ids, **GREEDY), plain)


@pytest.mark.parametrize("positions", ["all", "prompt", "generated"])
def test_embeddings_are_steered_as_the_ids_that_they_are_of(ids: torch.Tensor, positions: str) -> None:
    embedded = MODEL.get_input_embeddings()(ids)
    with steer(MODEL, "L1/N5", set_to=4.0, positions=positions):
        with torch.no_grad():
            assert torch.equal(MODEL(inputs_embeds=embedded).logits, MODEL(ids).logits)
        of_ids = MODEL.generate(ids, **GREEDY)[:, ids.shape[1] :]
        assert torch.equal(MODEL.generate(inputs_embeds=embedded, **GREEDY), of_ids)


def test_a_row_padded_on_the_left_is_steered_as_if_alone(ids: torch.Tensor) -> None:
    short = ids[1:, 5:]
    padded = torch.cat([ids[:1], torch.cat([torch.ones(1, 5, dtype=torch.long), short], 1)])
    mask = torch.ones_like(padded)
    mask[1, :5] = 0
    for positions in ("all", "generated", "prompt", slice(2, 9)):
        with steer(MODEL, "L1/N7", set_to=6.0, positions=positions):
            both = MODEL.generate(padded, attention_mask=mask, **GREEDY)
            alone = [MODEL.generate(one, **GREEDY) for one in (ids[:1], short)]
        assert torch.equal(both[0], alone[0][0])
        assert torch.equal(both[1, 5:], alone[1][0])


def test_a_batch_with_different_edits_equals_its_rows_done_singly() -> None:
    ids = torch.randint(2, 300, (6, 10), generator=torch.Generator().manual_seed(8))
    rows = [
        [Edit("L1/N7", set_to=4.0)],
        [],
        [Edit("L0/N9", add=3.0, positions="generated"), Edit("L1/N7", ablate=True)],
        [Edit("L1/N9", scale=-2.0), Edit("L1/N20", set_to=5.0, before_topk=True)],
        [Edit("L1/N7", set_to=4.0, positions="prompt"), Edit("L1/N7", set_to=-4.0, positions="generated")],
        [Edit("L0/N30", set_to=3.0, keep_k=True)],
    ]
    with steer(MODEL, rows=rows):
        together = state(MODEL, ids, 1)
        texts = MODEL.generate(ids, **GREEDY)
    differing = 0
    for row, edits in enumerate(rows):
        with steer(MODEL, edits):
            alone = state(MODEL, ids[row : row + 1], 1)[0]
            text = MODEL.generate(ids[row : row + 1], **GREEDY)[0]
        differing += int((~torch.isclose(together[row], alone, atol=1e-5).all(-1)).sum())
        assert torch.equal(texts[row], text)
    assert differing <= 1e-4 * ids.numel()  # a k-th entry may swap by rounding


def test_several_texts_of_a_row_all_get_its_edits(ids: torch.Tensor) -> None:
    rows = [[Edit("L1/N7", set_to=6.0, positions="generated")], []]
    with steer(MODEL, rows=rows):
        beams = MODEL.generate(ids, num_beams=2, num_return_sequences=2, **GREEDY)
    assert torch.equal(beams[2:], MODEL.generate(ids[1:], num_beams=2, num_return_sequences=2, **GREEDY))
    with steer(MODEL, rows[0]):
        assert torch.equal(beams[:2], MODEL.generate(ids[:1], num_beams=2, num_return_sequences=2, **GREEDY))
    with (
        steer(MODEL, rows=[[], [], rows[0]]),
        pytest.raises(InputError, match="edits for 3 rows do not fit a batch of 2"),
    ):
        MODEL(ids)


def test_without_generate_the_call_without_a_cache_is_the_prompt(ids: torch.Tensor) -> None:
    with steer(MODEL, "L1/N7", set_to=6.0, positions="generated"), torch.no_grad():
        expected = MODEL.generate(ids, **GREEDY)
        text, output = ids, MODEL(ids, use_cache=True)
        for _ in range(12):
            chosen = output.logits[:, -1].clone()
            chosen[:, 0] = -torch.inf  # no end before twelve
            text = torch.cat([text, chosen.argmax(-1, keepdim=True)], 1)
            output = MODEL(text[:, -1:], use_cache=True, **{CACHE: cached(output)})
    assert torch.equal(text, expected)


def test_a_saved_and_reloaded_edit_gives_the_same_text(ids: torch.Tensor, tmp_path: Path) -> None:
    edits = [
        Edit("L1/N7", add=1.0 / 3.0, positions="generated"),
        Edit("L0/N3", set_to=5.1, before_topk=True),
        Edit("L1/N3", scale=-1.7, positions=slice(1, 20), keep_k=True),
    ]
    with steer(MODEL, edits):
        expected = MODEL.generate(ids, **GREEDY)
    save_edits(edits, tmp_path)
    with steer(MODEL, load_edits(tmp_path)):
        assert torch.equal(MODEL.generate(ids, **GREEDY), expected)
    assert not torch.equal(MODEL.generate(ids, **GREEDY), expected)


def test_gradients_pass_through_an_edit(ids: torch.Tensor) -> None:
    with steer(MODEL, "L1/N7", add=2.0):
        MODEL(ids, labels=ids).loss.backward()
    gradient = MODEL.model.embed_tokens.weight.grad
    assert gradient is not None
    assert bool(gradient.isfinite().all())
    MODEL.zero_grad(set_to_none=True)


# --- other sources ------------------------------------------------------------------------------------------


def test_a_direction_along_an_axis_does_what_the_neuron_does(ids: torch.Tensor) -> None:
    axis = torch.eye(64)[7] * 3.0  # its length does not matter
    source = Directions(MODEL, TOKENIZER, {1: axis})
    for change in ({"set_to": 4.0}, {"add": 2.0}, {"scale": 0.5}, {"ablate": True}):
        with steer(MODEL, "L1/N7", **change):
            expected = state(MODEL, ids, 1)
        with steer(source, "L1/D0", **change):
            torch.testing.assert_close(state(MODEL, ids, 1), expected)


@pytest.mark.parametrize("change", [{"set_to": 4.0}, {"add": 2.0}, {"scale": 0.5}, {"ablate": True}])
def test_a_latent_moves_the_stream_along_its_decoder(ids: torch.Tensor, change: dict[str, Any]) -> None:
    source = Doubled(MODEL)
    before = state(MODEL, ids, 1)
    codes = source.encode(1, before).to_dense()
    old = codes[:, 100].clone()
    new = {"set_to": torch.full_like(old, 4.0), "add": old + 2, "scale": old * 0.5, "ablate": old * 0}[
        next(iter(change))
    ]
    with steer(source, "L1/F100", **change):
        kept = state(MODEL, ids, 1)
    move = (new - old)[:, None] * source.decoder[100]
    torch.testing.assert_close(kept.flatten(0, 1), before.flatten(0, 1) + move)
    codes[:, 100] = new
    with steer(source, "L1/F100", keep_error=False, positions=slice(2, 5), **change):
        told = state(MODEL, ids, 1).flatten(0, 1)
    edited = torch.zeros(2, 12, dtype=torch.bool)
    edited[:, 2:5] = True
    torch.testing.assert_close(told[edited.flatten()], (codes @ source.decoder + 0.25)[edited.flatten()])
    assert torch.equal(told[~edited.flatten()], before.flatten(0, 1)[~edited.flatten()])


def test_a_dense_models_neuron_keeps_what_its_code_leaves_out(ids: torch.Tensor) -> None:
    source = PosthocNeurons(DENSE, TOKENIZER, sites=(1,), k=8)
    before = state(DENSE, ids, 1)
    codes = source.encode(1, before).to_dense().view_as(before)
    with steer(source, "L1/N7", set_to=4.0):
        after = state(DENSE, ids, 1)
    torch.testing.assert_close(after[..., 7], before[..., 7] + 4.0 - codes[..., 7])
    with steer(source, "L1/N7", set_to=4.0, keep_error=False):
        sparse = state(DENSE, ids, 1)
    codes[..., 7] = 4.0
    torch.testing.assert_close(sparse, codes)


# --- bad input ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subject", "edits", "change", "said"),
    [
        (MODEL, "L1/N64", {"set_to": 1}, "there is no L1/N64: layer 1 has 64 neurons, up to L1/N63"),
        (MODEL, "L2/N7", {"set_to": 1}, "there is no L2/N7: layer 2 is dense; the TopK layers are 0, 1"),
        (MODEL, "L9/N7", {"set_to": 1}, "the model has 4 layers, 0 to 3; the TopK layers are 0, 1"),
        (MODEL, "L1/F7", {"set_to": 1}, "L1/F7 is a latent; the source topk has neurons"),
        (MODEL, "N7", {"set_to": 1}, "'N7' is no feature"),
        (MODEL, "L1/N7", {"set_to": "2x"}, "build one with 'topklm index RUN'"),
        (MODEL, "L1/N7", {"sett": 1}, "steer has no option 'sett'"),
        (MODEL, "L1/N7", {}, "give exactly one of"),
        (MODEL, None, {}, "give either edits for every row, or rows="),
        (MODEL, [3], {}, "3 is no edit"),
        (MODEL, [Edit("L1/N7", set_to=1), Edit("L1/N7", add=1)], {}, "contradict each other"),
        (MODEL, [Edit("L1/N7", set_to=1)], {"add": 2}, "add goes with a feature's name"),
        (MODEL, [Edit(f"L1/N{n}", set_to=1, keep_k=True) for n in range(9)], {}, "k is 8; edit fewer"),
        (DENSE, "L1/N7", {"set_to": 1}, "the model is dense"),
        (3, "L1/N7", {"set_to": 1}, "a int cannot be steered"),
        (
            PosthocNeurons(DENSE, TOKENIZER, sites=(1,), k=8),
            "L1/N7",
            {"set_to": 1, "before_topk": True},
            "before_topk needs a TopK layer, and layer 1 is dense",
        ),
    ],
)
def test_bad_input_is_said_before_anything_is_changed(
    subject: Any, edits: Any, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        steer(subject, edits, **change)


def test_directions_must_be_directions() -> None:
    for bad in ({1: torch.zeros(64)}, {1: torch.ones(3)}, {1: torch.full((64,), torch.nan)}):
        with pytest.raises(InputError, match="needs 64 finite numbers"):
            Directions(MODEL, TOKENIZER, bad)
    with pytest.raises(InputError, match="there is no layer 7"):
        Directions(MODEL, TOKENIZER, {7: torch.ones(64)})


def test_a_steering_is_checked_when_it_is_made() -> None:
    assert isinstance(steer(MODEL, "L1/N7", set_to=1), Steering)
