"""Causal effects: what an edit does to the next token, checked against the model itself."""

from pathlib import Path

import numpy as np
import pytest
import torch

from topklm.core.errors import InputError
from topklm.core.site import Neuron
from topklm.evaluation.fluency import continuation_nats
from topklm.features import LayerNeurons
from topklm.features.hooks import read_sites
from topklm.index import FeatureIndex
from topklm.model import TopKLMForCausalLM
from topklm.steering import Edit, effect, steer
from topklm.steering.carry import carried
from topklm.steering.effects import CONTEXT_TOKENS, firing_contexts, last_token_probabilities, mass_rises
from topklm.training import Loaded, load


def busiest(index: FeatureIndex, site: int = 1) -> str:
    """The neuron of a layer that fires most."""
    return str(index.features(sort="-density", where=f"site = {site}", limit=1)[0]["feature"])


def test_an_effect_is_the_change_of_the_models_own_distribution(
    loaded: Loaded, own_index: FeatureIndex
) -> None:
    name = busiest(own_index)
    contexts = torch.from_numpy(own_index.tokens[:96].astype(np.int64)).view(4, 24)
    found = effect(loaded, name, tokens=contexts, strengths=["1x", 3.0], count=4)
    with torch.no_grad():
        plain = loaded.model(contexts).logits.log_softmax(-1)[:, :-1]
        with steer(loaded, name, set_to=3.0):
            edited = loaded.model(contexts).logits.log_softmax(-1)[:, :-1]
    assert [one.edit for one in found.strengths] == [f"{name}=1x", f"{name}=3"]
    changed = found.strengths[1]
    assert changed.n_tokens == 4 * 23
    assert changed.kl.value == pytest.approx(float((plain.exp() * (plain - edited)).sum(-1).mean()), rel=1e-4)
    assert changed.kl.value > 0
    loss = (plain - edited).gather(-1, contexts[:, 1:, None]).mean()
    assert changed.loss_change.value == pytest.approx(float(loss), rel=1e-3, abs=1e-6)
    known = len(loaded.tokenizer)
    mean = (edited - plain).mean((0, 1))[:known]
    assert [one.change for one in changed.promoted] == pytest.approx(mean.topk(4).values.tolist(), rel=1e-3)
    assert [one.change for one in changed.suppressed] == pytest.approx(
        (-mean).topk(4).values.neg().tolist(), rel=1e-3
    )
    assert found.as_json()["strengths"][0]["kl"].keys() == {"value", "low", "high"}


def test_ablation_is_measured_where_the_feature_fires(loaded: Loaded, own_index: FeatureIndex) -> None:
    name = busiest(own_index)
    feature = Neuron.parse(name)
    contexts = torch.from_numpy(own_index.tokens[:96].astype(np.int64)).view(4, 24)
    found = effect(loaded, name, tokens=contexts, strengths=[]).ablation
    codes = loaded.model.codes(contexts)[feature.layer].to_dense().view(4, 24, -1)
    fired = (codes[..., feature.index] != 0)[:, :-1]
    assert found.n_tokens == int(fired.sum()) > 0
    with torch.no_grad():
        plain = loaded.model(contexts).logits.log_softmax(-1)[:, :-1]
        with steer(loaded, name, ablate=True):
            edited = loaded.model(contexts).logits.log_softmax(-1)[:, :-1]
    kl = (plain.exp() * (plain - edited)).sum(-1)[fired].mean()
    assert found.kl.value == pytest.approx(float(kl), rel=1e-3, abs=1e-7)


def test_no_context_is_longer_than_the_models(loaded: Loaded, own_index: FeatureIndex) -> None:
    longest = loaded.model.config.max_position_embeddings
    seen: list[int] = []
    handle = loaded.model.model.register_forward_pre_hook(
        lambda module, arguments, options: seen.append(options["input_ids"].shape[1]), with_kwargs=True
    )
    try:
        found = effect(loaded, busiest(own_index), strengths=["2x"])
    finally:
        handle.remove()
    assert max(seen) == longest < CONTEXT_TOKENS
    assert found.ablation.n_tokens > 0


def test_by_default_the_contexts_are_the_indexs_and_hold_firings(
    loaded: Loaded, own_index: FeatureIndex
) -> None:
    name = busiest(own_index)
    contexts = firing_contexts(own_index, Neuron.parse(name))
    assert contexts is not None
    codes = loaded.model.codes(contexts[:, -32:])[1].to_dense()[:, Neuron.parse(name).index]
    assert bool((codes != 0).any())
    found = effect(loaded, name, strengths=["2x"])
    assert found.ablation.n_tokens > 0
    assert found.strengths[0].kl.low > 0


def test_setting_to_what_it_is_changes_nothing(small_model: TopKLMForCausalLM, ids: torch.Tensor) -> None:
    silent = int((~(small_model.codes(ids)[1].to_dense() != 0).any(0)).nonzero()[0])
    found = effect(small_model, f"L1/N{silent}", tokens=ids, strengths=[0.0])
    assert (found.strengths[0].kl.value, found.strengths[0].loss_change.value) == (0.0, 0.0)
    assert (found.ablation.n_tokens, found.ablation.promoted) == (0, ())


def test_many_edits_at_the_last_token_equal_each_alone(loaded: Loaded, own_index: FeatureIndex) -> None:
    source = LayerNeurons(loaded.model, loaded.tokenizer, revision="x")
    contexts = torch.from_numpy(own_index.tokens[:90].astype(np.int64)).view(6, 15)
    edits = [[], [Edit("L1/N3", set_to=4.0)], [Edit("L0/N5", add=2.0), Edit("L1/N9", ablate=True)]]
    together = list(last_token_probabilities(source, contexts, edits))
    for found, some in zip(together, edits, strict=True):
        last = [Edit(one.feature, one.set_to, one.add, ablate=one.ablate, positions="14:15") for one in some]
        with torch.no_grad():
            if last:
                with steer(source, last):
                    logits = loaded.model(contexts).logits[:, -1]
            else:
                logits = loaded.model(contexts).logits[:, -1]
        torch.testing.assert_close(found, logits.softmax(-1)[:, : found.shape[1]], rtol=1e-3, atol=1e-5)
    tokens = torch.tensor([5, 9, 30])
    rises = mass_rises(source, contexts, [one for some in edits[1:2] for one in some], tokens)
    expected = (together[1] - together[0])[:, tokens].sum(-1).mean()
    assert rises[0].value == pytest.approx(float(expected), abs=1e-6)


def test_likelihood_of_a_continuation_is_the_models_loss(loaded: Loaded, own_index: FeatureIndex) -> None:
    ids = own_index.tokens[:20].astype(int).tolist()
    found = continuation_nats(loaded.model, [ids[:4], ids[:9], ids[:3]], [ids[4:20], ids[9:12], []])
    with torch.no_grad():
        plain = loaded.model(torch.tensor([ids])).logits.log_softmax(-1)[0]
    nats = [-float(plain[place - 1, ids[place]]) for place in range(1, 20)]
    assert found.tolist() == pytest.approx([sum(nats[3:19]), sum(nats[8:11]), 0.0], rel=1e-4)


def test_bad_input_is_said_in_one_line(
    loaded: Loaded, small_model: TopKLMForCausalLM, own_index: FeatureIndex, steered: Path
) -> None:
    with pytest.raises(InputError, match="there is no L9/N1"):
        effect(loaded, "L9/N1")
    with pytest.raises(InputError, match="effect needs held-out text"):
        effect(small_model, "L1/N1")
    with pytest.raises(InputError, match="are no contexts"):
        effect(loaded, "L1/N1", tokens=torch.zeros(3, dtype=torch.int64))
    with pytest.raises(InputError, match="build one with 'topklm index RUN'"):
        effect(small_model, "L1/N1", tokens=torch.zeros(2, 4, dtype=torch.int64))
    with pytest.raises(InputError, match="is a dense run"):
        effect(load(steered / "twin"), "L1/N1")


def test_a_change_is_carried_as_far_as_the_blocks_let_it(loaded: Loaded, own_index: FeatureIndex) -> None:
    source = LayerNeurons(loaded.model, loaded.tokenizer, revision="x")
    contexts = torch.from_numpy(own_index.tokens[:60].astype(np.int64)).view(4, 15)
    edit = Edit("L0/N5", add=3.0)  # type: ignore[arg-type]
    found = carried(source, edit, contexts)
    assert list(found) == [0, 1, 2]
    assert found[0] == pytest.approx((1.0, 1.0))
    states: list[dict[int, torch.Tensor]] = []
    for some in ([], [edit]):
        with steer(source, some):
            states.append(read_sites(source.model, contexts, None, [0, 1, 2], lambda _, one: one.double()))
    changes = {site: states[1][site] - states[0][site] for site in (0, 1, 2)}
    for site in (1, 2):
        along = (changes[site] * changes[0]).sum() / changes[0].square().sum()
        assert found[site].along == pytest.approx(float(along), rel=1e-6)
        assert found[site].size == pytest.approx(float(changes[site].norm() / changes[0].norm()), rel=1e-6)
