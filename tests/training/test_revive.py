"""Drawing dead neurons anew, what reads them, and the stream in numbers."""

import pytest
import torch
from torch import Tensor

from topklm.model import TopKLMForCausalLM
from topklm.training.revive import reading_matrix, redraw
from topklm.training.stream import by_layer, stream_numbers, tallied


def test_the_reading_is_what_the_next_layer_makes_of_a_state(small_model: TopKLMForCausalLM) -> None:
    state = torch.randn(3, 64, generator=torch.Generator().manual_seed(0))
    block = small_model.model.layers[1]
    normed = block.input_layernorm(state) * state.square().mean(-1, keepdim=True).sqrt()
    attention = block.self_attn
    readers = (attention.q_proj, attention.k_proj, attention.v_proj)
    read = torch.cat([layer(normed) for layer in readers], -1)
    torch.testing.assert_close(state @ reading_matrix(small_model, 0).T, read, rtol=1e-3, atol=1e-4)
    assert reading_matrix(small_model, 3).shape == (300, 64)


def test_drawing_anew_changes_the_dead_neurons_weights_alone_and_forgets_their_moments(
    small_model: TopKLMForCausalLM, ids: Tensor
) -> None:
    optimizer = torch.optim.AdamW(small_model.parameters(), lr=1e-3)
    small_model(ids, labels=ids).loss.backward()
    optimizer.step()
    blocks = small_model.model.layers
    for row in (5, 6):
        blocks[1].mlp.down_proj.weight.data[row] = 0
        blocks[1].self_attn.o_proj.weight.data[row] = 0
    blocks[2].input_layernorm.weight.data[5] = 0
    dead = {layer: torch.zeros(64, dtype=torch.bool) for layer in (0, 1)}
    dead[1][[5, 6]] = True
    dead[0][6] = True
    before = {name: one.clone() for name, one in small_model.named_parameters()}
    squares = optimizer.state[blocks[1].mlp.down_proj.weight]["exp_avg_sq"].clone()
    count = redraw(small_model, dead, optimizer=optimizer, generator=torch.Generator().manual_seed(0))
    assert count == 3
    changed = {name: one != before[name] for name, one in small_model.named_parameters()}
    rows = {
        name: mask.any(1).nonzero()[:, 0].tolist()
        for name, mask in changed.items()
        if mask.dim() > 1 and "embed" not in name
    }
    assert {name: found for name, found in rows.items() if found} == {
        "model.layers.0.self_attn.o_proj.weight": [6],
        "model.layers.0.mlp.down_proj.weight": [6],
        "model.layers.1.self_attn.o_proj.weight": [5, 6],
        "model.layers.1.mlp.down_proj.weight": [5, 6],
    }
    assert changed["model.embed_tokens.weight"].any(0).nonzero()[:, 0].tolist() == [6]
    others = torch.arange(64)[~dead[1]]
    down = blocks[1].mlp.down_proj.weight.detach()
    assert float(down[5].std() / down[others].std()) == pytest.approx(1, abs=0.3)
    gain = blocks[2].input_layernorm.weight.detach()
    assert float(gain[5]) == pytest.approx(float(gain[others].mean()))
    moments = optimizer.state[blocks[1].mlp.down_proj.weight]
    assert bool((moments["exp_avg"][5] == 0).all())
    assert bool((moments["exp_avg_sq"][[5, 6]] == 0).all())
    assert torch.equal(moments["exp_avg_sq"][others], squares[others])
    assert bool((squares[[5, 6]] != 0).any())


def test_a_layer_without_live_neurons_is_left_alone(small_model: TopKLMForCausalLM) -> None:
    before = {name: one.clone() for name, one in small_model.named_parameters()}
    dead = {layer: torch.ones(64, dtype=torch.bool) for layer in (0, 1)}
    optimizer = torch.optim.AdamW(small_model.parameters())
    assert redraw(small_model, dead, optimizer=optimizer, generator=torch.Generator().manual_seed(0)) == 0
    assert all(torch.equal(one, before[name]) for name, one in small_model.named_parameters())


def test_the_stream_in_numbers(small_model: TopKLMForCausalLM, ids: Tensor) -> None:
    states: dict[int, list[Tensor]] = {}
    for layer, module in small_model.model.topk_modules().items():
        module.register_forward_hook(lambda m, i, o, layer=layer: states.update({layer: [i[0], o]}))
    small_model.model.layers[1].input_layernorm.weight.data[:] = torch.arange(64.0)
    with torch.no_grad(), tallied(small_model) as tallies:
        small_model(ids)
    found = by_layer(stream_numbers(small_model, tallies))
    state, code = states[0]
    fired = (code != 0).flatten(0, 1).sum(0)
    numbers = found["stream"]["0"]
    assert numbers["dead"] == pytest.approx(float((fired == 0).double().mean()))
    assert numbers["top"] == pytest.approx(int(fired.max()) / int(fired.sum()))  # 1 % of 64 is one
    assert numbers["rms"] == pytest.approx(float(state.square().mean().sqrt()), rel=1e-5)
    assert numbers["kept"] == pytest.approx(float(code.square().sum() / state.square().sum()), rel=1e-5)
    assert numbers["gain"] == pytest.approx(float(torch.arange(64.0)[fired > 0].mean()))
    assert numbers["gain_dead"] == pytest.approx(float(torch.arange(64.0)[fired == 0].mean()))
    assert found["live"]["0"] == pytest.approx(1 - numbers["dead"])
    assert by_layer({"eval_loss": 1.0}) == {}
