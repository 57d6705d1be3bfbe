"""The sweeps that ship are sweeps."""

from pathlib import Path

import pytest

from topklm.comparison.sweep_plan import read_sweep
from topklm.evaluation.flops import forward_flops

SWEEPS = sorted((Path(__file__).parents[2] / "examples" / "sweeps").glob("*.yaml"))


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_it_can_be_read(path: Path) -> None:
    assert len(read_sweep(path).runs()) >= 6


def test_shapes_cost_about_the_same() -> None:
    path = next(one for one in SWEEPS if one.stem == "tiny_shapes")
    costs = {
        one.variant: forward_flops(one.settings.model_config(vocab_size=2048))
        for one in read_sweep(path).runs()
    }
    assert len(costs) == 8
    assert max(costs.values()) < 1.02 * min(costs.values())
