"""The control `random` of a run: what the run would have been at its step 0."""

from dataclasses import replace

import pytest
import torch

from topklm import load
from topklm.index import source_of
from topklm.training import Run
from topklm.training.initial import new_model


@pytest.mark.parametrize("scale", [1.0, 8.0])
def test_it_begins_as_the_run_of_its_seed_began(trained: Run, scale: float) -> None:
    loaded = load(trained.path)
    settings = replace(loaded.run.settings, embedding_scale=scale, branch_scale=0.5)
    loaded.run.about["settings"] = settings.as_json()
    control = source_of(loaded, "random", seed=settings.seed)
    began = new_model(settings, loaded.tokenizer, attention="sdpa").state_dict()
    drawn = control.model.state_dict()
    assert all(torch.equal(one, drawn[name]) for name, one in began.items())
