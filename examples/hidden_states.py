"""Draw the hidden states of a TopK model and its dense twin on one sentence.

python examples/hidden_states.py RUN TWIN "A sentence." picture.png
"""

import sys

import torch

import topklm
from topklm.reports.figures import states_figure


def main(run: str, twin: str, text: str, path: str) -> None:
    """Draw the residual stream after the last TopK layer, for both models."""
    model, tokenizer, _ = topklm.load(run)
    dense = topklm.load(twin).model
    ids = tokenizer(text, return_tensors="pt").input_ids
    layer = max(model.config.topk_layers)
    with torch.no_grad():
        state = dense(ids, output_hidden_states=True).hidden_states[layer + 1][0]
    code = model.codes(ids)[layer].to_dense()
    k, width = model.config.k_at(layer), model.config.hidden_size
    panels = {
        f"dense twin, after block {layer}: every neuron of {width} is busy with every token": state[1:],
        f"TopK model, after block {layer}: {k} neurons of {width} a token, the rest exactly 0": code[1:],
    }
    tokens = [tokenizer.decode([token]).strip() for token in ids[0, 1:].tolist()]
    states_figure(tokens, panels, path)


if __name__ == "__main__":
    main(*sys.argv[1:])
