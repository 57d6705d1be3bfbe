"""One trainer in a process of its own, which takes a step whenever it is told to.

    python -m benchmarks.worker ours|trainer|loop

Reads a line, takes one training step, answers with its seconds; at the end of its input it answers with
the process's peak memory in MB. So several can be timed in turn, none sharing memory with another.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainerCallback, TrainingArguments

from topklm.core.files import write_json
from topklm.training import loop, preset, train

from .models import autocast
from .pairs import peak_memory

STEPS = 10_000
SETTINGS = preset("small", tokenizer="bpe:4096", tokens=STEPS * 4096, data=["stories"])
VOCABULARY = 4096
BLOCKS, CONTEXT = SETTINGS.batch_blocks, SETTINGS.context


class Told(TrainerCallback):
    """Waits for a line before each step, and answers after it."""

    def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
        """Wait."""
        if not sys.stdin.readline():
            leave()
        self.began = time.perf_counter()

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        """Answer."""
        answer(seconds=time.perf_counter() - self.began)


class Blocks(Dataset[dict[str, torch.Tensor]]):
    """Random tokens."""

    def __len__(self) -> int:
        return STEPS * BLOCKS

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        ids = torch.randint(0, VOCABULARY, (CONTEXT,))
        return {"input_ids": ids, "labels": ids}


def llama() -> LlamaForCausalLM:
    """Make the same-size Llama."""
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=SETTINGS.width,
            num_hidden_layers=SETTINGS.depth,
            num_attention_heads=SETTINGS.heads,
            head_dim=SETTINGS.head_dim,
            intermediate_size=SETTINGS.mlp,
            max_position_embeddings=CONTEXT,
            tie_word_embeddings=True,
        )
    )


def ours(directory: Path) -> None:
    """Train `small` as `topklm train` does; only the corpus is cut short."""
    loop.trackers = lambda run: [Told()]  # the one place where a callback can be added from outside
    settings = preset(
        "small", tokens=STEPS * 4096, data=["stories"], evaluations=1, full_checkpoints=1, trace_checkpoints=1
    )
    packed = loop.prepare

    def short(run: Any, *args: Any, **kwargs: Any) -> Any:
        run.about["settings"]["tokens"] = 400_000
        parts = packed(run, *args, **kwargs)
        run.about["settings"]["tokens"] = settings.tokens
        write_json(run.path / "train.json", run.about)
        return parts

    loop.prepare = short
    train(settings, directory / "run")


def trainer(directory: Path) -> None:
    """Train the same-size Llama under the Trainer's defaults."""
    arguments = TrainingArguments(
        output_dir=str(directory),
        max_steps=STEPS,
        per_device_train_batch_size=BLOCKS,
        use_cpu=True,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    Trainer(model=llama(), args=arguments, train_dataset=Blocks(), callbacks=[Told()]).train()


def loop_by_hand(directory: Path) -> None:
    """Train the same-size Llama in a loop of nanoGPT's kind: bf16 where it is built in, SDPA, fused AdamW."""
    model, data, told = llama(), Blocks(), Told()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1, fused=True
    )
    for step in range(STEPS):
        told.on_step_begin()
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * min(1, step / 100)
        ids = torch.stack([data[i]["input_ids"] for i in range(BLOCKS)])
        with autocast():
            logits = model(ids, use_cache=False).logits
            loss = torch.nn.functional.cross_entropy(
                logits[:, :-1].reshape(-1, VOCABULARY).float(), ids[:, 1:].reshape(-1)
            )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        told.on_step_end()


def answer(**fields: float) -> None:
    """Write one line of JSON."""
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def leave() -> None:
    """Answer with the peak memory, and end."""
    answer(peak_mb=peak_memory())
    raise SystemExit


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        {"ours": ours, "trainer": trainer, "loop": loop_by_hand}[sys.argv[1]](Path(name))
