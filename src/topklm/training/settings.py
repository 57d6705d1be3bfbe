"""What can be chosen about a training run."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from ..core.errors import InputError

if TYPE_CHECKING:
    from ..model import TopKLMConfig

ANNEALS = ("none", "k", "blend")
LARGEST = {
    "tokens": 10**15,
    "k": 2**17,
    "width": 2**17,
    "depth": 1000,
    "heads": 2**12,
    "head_dim": 2**14,
    "mlp": 2**20,
    "context": 2**22,
}
SHARES = ("anneal_share", "warmup_share", "lift_below", "lift_fade", "revive_share", "distill")
PRECISIONS = ("auto", "bf16", "fp32")
ATTENTIONS = ("auto", "eager", "sdpa")


def setting(default: Any, text: str) -> Any:
    """Declare a field with its help text."""
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata={"help": text})
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """Everything that decides a run, besides the machine and the versions installed.

    Raises InputError where a value is out of range or two contradict each other.
    """

    # fmt: off
    preset: str = setting("tiny", "the preset these settings started from")
    data: list[str] = setting(["stories"], "training text: file, directory, 'stories', 'code', a hub dataset")
    validation: list[str] | None = setting(None, "held-out text; default: 2 % of the documents")
    tokenizer: str = setting("bpe:2048", "bpe:N trains a byte-level BPE of N tokens; or a path or name")
    tokens: int = setting(950_000, "tokens to train on")
    seed: int = setting(0, "seed of the weights, of the order of the data, of everything")
    embedding_seed: int | None = setting(None, "seed of the initial embedding alone; default: seed")

    source: str = setting("", "pretrained Llama checkpoint to start from; default: random weights")
    distill: float = setting(0.0, "share of the loss that is the divergence from its predictions")
    temperature: float = setting(1.0, "temperature at which predictions are compared")

    dense: bool = setting(False, "train the dense twin: no TopK, everything else the same")
    k: int = setting(32, "entries kept per token at each TopK layer")
    topk_by: str = setting("value", "how entries are ranked: value, magnitude or positive")
    n_nontopk: int = setting(1, "number of final layers kept dense")
    topk_layers: list[int] | None = setting(None, "layers with TopK; default: all but the last n_nontopk")
    anneal: str = setting("k", "come down to k during training: none, k or blend")
    anneal_share: float = setting(0.5, "share of the steps over which k is annealed")

    width: int = setting(512, "width of the residual stream: neurons per layer")
    depth: int = setting(4, "number of blocks")
    heads: int = setting(4, "attention heads per block")
    head_dim: int = setting(32, "width of one head, even")
    mlp: int = setting(320, "width of a block's MLP")
    context: int = setting(320, "tokens per training block")

    lr: float = setting(1e-3, "peak learning rate")
    embedding_lr: float = setting(4e-3, "peak learning rate of the embedding; 0: lr")
    embedding_scale: float = setting(8.0, "initial embedding times this, final norm's gain by it")
    branch_scale: float = setting(1.0, "initial attention and MLP output weights times this")
    batch_tokens: int = setting(640, "tokens per step, all devices together; a multiple of context")
    device_tokens: int = setting(0, "tokens a device takes at once, the rest by accumulation; 0: all")
    warmup_share: float = setting(0.3, "share of the steps over which the learning rate rises")
    weight_decay: float = setting(0.1, "AdamW's weight decay")
    grad_clip: float = setting(1.0, "largest gradient norm")

    lift: float = setting(0.0, "step of the bias that lifts unused neurons, in standard deviations; 0: none")
    lift_below: float = setting(0.02, "a neuron below this share of its fair share k/width is lifted")
    lift_fade: float = setting(0.4, "last share of the steps, over which the lift fades to zero")
    aux_loss: float = setting(0.0, "weight of the auxiliary loss on dead neurons; 0: none")
    aux_k: int = setting(0, "dead entries per token in the auxiliary loss; 0: k")
    revive: int = setting(0, "how often dead neurons are drawn anew over the run; 0: never")
    revive_share: float = setting(0.6, "first share of the steps, over which that is spread evenly")
    dead_after: int = setting(20_000, "training tokens without a firing after which a neuron is dead")

    precision: str = setting("auto", "auto, bf16 (autocast) or fp32; auto is bf16 where the processor has it")
    attention: str = setting("auto", "attention implementation: auto, eager or sdpa")
    threads: int = setting(0, "CPU threads; 0: as many as this process may use, or OMP_NUM_THREADS")
    compile: bool = setting(False, "compile the model with torch.compile")
    fsdp: bool = setting(False, "split weights and optimizer over the processes (FSDP2); else each has all")
    recompute: bool = setting(False, "compute activations again in the backward pass: less memory, more time")

    evaluations: int = setting(10, "held-out evaluations over the run, besides step 0")
    eval_tokens: int = setting(65_536, "at most this many held-out tokens an evaluation")
    full_checkpoints: int = setting(20, "points over the run from which it can be resumed")
    trace_checkpoints: int = setting(16, "evenly spaced tracing checkpoints, besides steps 0, 1, 2, 4, ...")
    report_to: list[str] = setting([], "trackers for the Trainer: tensorboard, wandb, trackio")
    # fmt: on

    def __post_init__(self) -> None:
        for one in fields(self):
            value = normalised(getattr(self, one.name), str(one.type))
            check_type(one.name, value, str(one.type))
            object.__setattr__(self, one.name, value)
        for name in ("tokens", "k", "width", "depth", "heads", "head_dim", "mlp", "context"):
            _require(self, name, 1 <= getattr(self, name) <= LARGEST[name], f"1..{LARGEST[name]:,}")
        for name in ("evaluations", "full_checkpoints", "trace_checkpoints", "batch_tokens", "dead_after"):
            _require(self, name, getattr(self, name) >= 1, "1 or more")
        for name in ("n_nontopk", "weight_decay", "eval_tokens", "device_tokens", "revive"):
            _require(self, name, getattr(self, name) >= 0, "0 or more")
        for name in ("seed", "embedding_seed"):
            _require(self, name, 0 <= (getattr(self, name) or 0) < 2**32, "0..2**32 - 1")
        _require(self, "threads", 0 <= self.threads <= 1024, "0..1024")
        _require(self, "aux_k", 0 <= self.aux_k <= self.width, f"0..{self.width}")
        for name in ("embedding_lr", "lift", "aux_loss"):
            _require(self, name, 0 <= getattr(self, name) < math.inf, "0 or a positive number")
        for name in ("lr", "grad_clip", "embedding_scale", "branch_scale", "temperature"):
            value = getattr(self, name)
            _require(self, name, math.isfinite(value) and value > 0, "a positive number")
        for name in SHARES:
            _require(self, name, 0 <= getattr(self, name) <= 1, "a share in 0..1")
        _require(self, "context", self.context >= 8, "8 or more")
        _require(self, "anneal", self.anneal in ANNEALS, f"one of {', '.join(ANNEALS)}")
        _require(self, "precision", self.precision in PRECISIONS, f"one of {', '.join(PRECISIONS)}")
        _require(self, "attention", self.attention in ATTENTIONS, f"one of {', '.join(ATTENTIONS)}")
        if self.batch_tokens % self.context:
            raise InputError(f"batch_tokens={self.batch_tokens} is no multiple of context={self.context}")
        self.portion(1)
        self._check_pairs()

    def _check_pairs(self) -> None:
        """Raise InputError where two settings do not go together."""
        if self.topk_layers == [] and not self.dense:
            raise InputError("topk_layers=[] leaves no TopK layer; name one, or give dense")
        if self.distill and not self.source:
            raise InputError(f"distill={self.distill} needs a source to learn from")
        if self.distill and self.compile:
            raise InputError("distill and compile do not go together; leave one of them out")
        if self.recompute and self.watches_neurons:
            raise InputError(
                "recompute would count firings twice; it does not go with lift, aux_loss, revive"
            )
        if self.fsdp and (self.aux_loss or self.revive):
            raise InputError("aux_loss and revive need whole weights; they do not go with fsdp")

    @property
    def batch_blocks(self) -> int:
        """Blocks per step."""
        return self.batch_tokens // self.context

    def portion(self, processes: int) -> tuple[int, int]:
        """Return how many blocks each of `processes` takes at once, and how often within a step.

        Raises InputError where a step cannot be shared out evenly.
        """
        if processes > 1 and self.distill:
            raise InputError(f"distill={self.distill} is for one process; start one")
        of_each, rest = divmod(self.batch_blocks, processes)
        at_once = max(1, self.device_tokens // self.context) if self.device_tokens else of_each
        if rest or of_each % at_once:
            raise InputError(
                f"batch_tokens={self.batch_tokens} are {self.batch_blocks} blocks of context={self.context}, "
                f"which {'one process' if processes == 1 else f'{processes} processes'} cannot take "
                + (f"{at_once} at a time (device_tokens={self.device_tokens})" if not rest else "evenly")
                + "; choose another batch_tokens or device_tokens"
            )
        return at_once, of_each // at_once

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole run."""
        return max(1, round(self.tokens / self.batch_tokens))

    @property
    def watches_neurons(self) -> bool:
        """Whether training has to follow which neurons fire, to keep them alive."""
        return not self.dense and bool(self.lift or self.aux_loss or self.revive)

    def model_config(self, **given: Any) -> "TopKLMConfig":
        """Build the model's configuration; `given` holds the vocabulary's size, special tokens and the like.

        Raises InputError where the fields do not fit each other.
        """
        from ..model import TopKLMConfig

        sizes = {
            "hidden_size": self.width,
            "num_hidden_layers": self.depth,
            "num_attention_heads": self.heads,
            "head_dim": self.head_dim,
            "intermediate_size": self.mlp,
            "max_position_embeddings": self.context,
            "tie_word_embeddings": True,
        }
        layers: dict[str, Any] = {"n_nontopk": self.n_nontopk}
        if self.dense or self.topk_layers is not None:
            layers = {"topk_layers": [] if self.dense else self.topk_layers}
        try:
            return TopKLMConfig(topk_k=self.k, topk_by=self.topk_by, **layers, **{**sizes, **given})
        except Exception as error:  # ValueError, or a strict dataclass's own kind
            line = str(error).splitlines()[-1].strip()
            raise InputError(line.removeprefix("ValueError: ").removeprefix("TypeError: ")) from None

    @property
    def embedding_drawn_from(self) -> int:
        """The seed of the initial embedding."""
        return self.seed if self.embedding_seed is None else self.embedding_seed

    def as_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "TrainSettings":
        """Read what `as_json` wrote. Raises InputError for an unknown field or a wrong type."""
        known = {one.name: one for one in fields(cls)}
        for name in content:
            if name not in known:
                raise InputError(f"unknown setting {name!r}; settings are {', '.join(known)}")
        return cls(**content)


def replaced(settings: TrainSettings, changes: Mapping[str, Any]) -> TrainSettings:
    """Replace settings by name. n_nontopk and topk_layers say one thing, so whichever is given decides.

    Another text does not keep the held-out text of the one before.
    Raises InputError where both are given, or a value is not allowed.
    """
    if changes.get("n_nontopk") is not None and changes.get("topk_layers") is not None:
        raise InputError("give n_nontopk or topk_layers, not both: they say the same thing")
    if changes.get("n_nontopk") is not None:
        changes = {**changes, "topk_layers": None}
    if "data" in changes:
        changes = {"validation": None, **changes}
    return replace(settings, **changes)


def normalised(value: Any, declared: str) -> Any:
    """Accept what a user may write in Python: a path for a string, one string for a list, a tuple."""
    declared = declared.removeprefix("<class '").removesuffix("'>")
    if isinstance(value, PurePath):
        value = str(value)
    if "list[str]" in declared and isinstance(value, str):
        return [value]
    if isinstance(value, list | tuple):
        return [str(one) if isinstance(one, PurePath) else one for one in value]
    if declared == "int" and not isinstance(value, bool) and hasattr(value, "__index__"):
        return int(value)
    return float(value) if declared == "float" and type(value) is int else value


def check_type(name: str, value: Any, declared: str) -> None:
    """Raise InputError where a JSON value is not of a setting's declared type."""
    fits = {
        "int": lambda x: isinstance(x, int) and not isinstance(x, bool),
        "float": lambda x: isinstance(x, int | float) and not isinstance(x, bool),
        "bool": lambda x: isinstance(x, bool),
        "str": lambda x: isinstance(x, str),
        "list[str]": lambda x: isinstance(x, list) and all(isinstance(one, str) for one in x),
        "list[int]": lambda x: isinstance(x, list) and all(type(one) is int for one in x),
        "None": lambda x: x is None,
    }
    kinds = declared.replace("<class '", "").replace("'>", "").split(" | ")
    if not any(fits[kind](value) for kind in kinds):
        raise InputError(f"setting {name}={value!r} should be {' or '.join(kinds)}")


def _require(settings: TrainSettings, name: str, holds: bool, allowed: str) -> None:
    if not holds:
        raise InputError(f"{name}={getattr(settings, name)} is not allowed; choose {allowed}")
