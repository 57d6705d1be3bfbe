"""A TopK layer written as an SAE: SAELens's code is the layer's code, and nothing is lost by it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from samples import SHAPE
from topklm import InputError, TopKLMConfig, TopKLMForCausalLM
from topklm.cli.main import main
from topklm.data import Packed
from topklm.export import saelens
from topklm.features import LayerNeurons
from topklm.sae import SAELatents
from topklm.sae.lens import quiet
from topklm.training import Run, load


@pytest.fixture(scope="module")
def exported(trained: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's layers as SAEs, written by the command line."""
    out = tmp_path_factory.mktemp("export") / "saes"
    assert main(["export", str(trained.path), "--to", "saelens", "--out", str(out)]) == 0
    return out


@pytest.mark.parametrize("by", ["value", "magnitude", "positive"])
def test_the_code_is_the_layers_own_bit_for_bit(by: str, ids: Tensor, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = TopKLMForCausalLM(TopKLMConfig(**SHAPE, topk_k=[8, 5, 60], n_nontopk=1, topk_by=by)).eval()
    for layer in model.config.topk_layers:
        saelens.write_identity(tmp_path / saelens.hook_name(layer), model.config, layer, {})
    source = SAELatents.load(model, None, tmp_path)
    own = LayerNeurons(model, None).codes(ids)
    codes = source.codes(ids)
    assert codes == own
    assert by == "positive" or any(bool((one.values < 0).any()) for one in own.values())
    for layer, one in own.items():
        assert torch.equal(source.decode(layer, one), one.to_dense())
    assert {site: source.saes[site].cfg.k for site in source.sites} == {0: 8, 1: 5, 2: 60}


def test_every_topk_layer_is_written_with_its_name(exported: Path, trained: Run) -> None:
    layers = load(trained.path).model.config.topk_layers
    assert sorted(path.name for path in exported.iterdir() if path.is_dir()) == [
        f"blocks.{layer}.hook_resid_post" for layer in layers
    ]
    metadata = json.loads((exported / "blocks.0.hook_resid_post" / "cfg.json").read_text())["metadata"]
    assert metadata["hook_name"] == "blocks.0.hook_resid_post"
    assert metadata["model_name"] == str(trained.path.absolute())
    assert metadata["model_revision"] == trained.revision


def test_saelens_itself_finds_a_ce_score_of_one(exported: Path, trained: Run) -> None:
    from sae_lens import SAE, ActivationsStore
    from sae_lens.evals import EvalConfig, run_evals
    from sae_lens.load_model import load_model
    from sae_lens.training.activation_scaler import ActivationScaler

    packed = Packed.open(trained.path / "data", "train")
    rows = packed.tokens[: 64 * 32].reshape(64, 32).astype(np.int64).tolist()
    with quiet():
        from datasets import Dataset

        sae = SAE.load_from_disk(exported / "blocks.1.hook_resid_post")
        sae.cfg.metadata.hook_name = sae.cfg.metadata.hf_hook_name
        model = load_model(sae.cfg.metadata.model_class_name, sae.cfg.metadata.model_name, device="cpu")
        store = ActivationsStore.from_sae(
            model,
            sae,
            dataset=Dataset.from_dict({"tokens": rows}),
            context_size=32,
            streaming=False,
            store_batch_size_prompts=8,
            train_batch_size_tokens=128,
            n_batches_in_buffer=4,
        )
        asked = EvalConfig(
            batch_size_prompts=8,
            n_eval_reconstruction_batches=3,
            compute_ce_loss=True,
            compute_variance_metrics=True,
            compute_sparsity_metrics=True,
        )
        found: dict[str, Any] = run_evals(
            sae, store, model, ActivationScaler(), asked, exclude_special_tokens=False
        )[0]
    losses = found["model_performance_preservation"]
    assert losses["ce_loss_score"] == 1.0
    assert losses["ce_loss_with_ablation"] > losses["ce_loss_without_sae"] + 0.1
    assert found["reconstruction_quality"]["explained_variance"] == 1.0
    assert found["sparsity"]["l0"] == 8


def test_what_is_there_already_is_left_alone(exported: Path, trained: Run) -> None:
    before = {path: path.read_bytes() for path in exported.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="exists already"):
        saelens.export_saelens(trained, exported)
    assert {path: path.read_bytes() for path in exported.rglob("*") if path.is_file()} == before


def test_an_index_cannot_be_written_as_saes(
    trained: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "index.json").write_text("{}")
    arguments = ["export", str(tmp_path), "--to", "saelens", "--out", str(tmp_path / "out")]
    assert main(arguments) == 2
    assert "is no run" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
