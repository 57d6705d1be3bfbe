"""What a feature's card shows: plain data, filled by the index, drawn by `terminal.py` and `page.py`."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Example:
    """A stretch of text around one firing."""

    tokens: tuple[str, ...]
    """The text of each token, in order; a token's leading space belongs to it."""
    activations: tuple[float, ...]
    """The feature's activation on each of those tokens; 0 where it does not fire."""
    peak: int
    """Which of the tokens this example was chosen for."""
    document: int
    """Number of the document in the indexed text, from 0."""
    position: int
    """Place of the peak's token in the whole indexed text, from 0."""


@dataclass(frozen=True)
class Bin:
    """Examples of one quantile bin of a feature's firings."""

    low: float
    """Smallest activation of the bin."""
    high: float
    """Largest activation of the bin."""
    firings: int
    """Firings whose activation lies in the bin."""
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class TokenShare:
    """One token type of a feature."""

    token: str
    share: float
    """Its share of the feature's token mass (design: sum of activation over the type's occurrences)."""
    firings: int
    """Occurrences of the type on which the feature fires."""


@dataclass(frozen=True)
class TokenChange:
    """An output token promoted or suppressed by a feature."""

    token: str
    change: float
    """Change of the token's log-probability, in nats, when the feature is raised by its median firing."""


@dataclass(frozen=True)
class Relative:
    """Another feature, compared with the card's own."""

    feature: str
    similarity: float
    """Cosine of the two activation vectors over the indexed tokens."""
    density: float
    top_token: str
    """The token type with the largest share of its mass; empty for a dead feature."""


@dataclass(frozen=True)
class Card:
    """All that the index knows of one feature. A dead feature has a card too: counts of zero."""

    feature: str
    """Its name, such as `L3/N17`."""
    source: str
    """The feature source's name, such as `topk`."""
    corpus: str
    """Which text was indexed, in words for people."""
    n_tokens: int
    """Tokens looked at."""
    firings: int
    density: float
    status: str
    """`live`, `rare` or `dead` (see the glossary)."""
    mean: float
    """Mean activation over its firings; NaN for a dead feature."""
    maximum: float
    quantiles: dict[str, float] = field(default_factory=dict)
    """Quantiles of its firings, such as `{"0.5": 1.2, "0.99": 3.4}`."""
    histogram_edges: tuple[float, ...] = ()
    histogram_counts: tuple[int, ...] = ()
    """Firings between edge i and edge i + 1."""
    top_tokens: tuple[TokenShare, ...] = ()
    promoted: tuple[TokenChange, ...] = ()
    suppressed: tuple[TokenChange, ...] = ()
    bins: tuple[Bin, ...] = ()
    """Strongest first."""
    similar: tuple[Relative, ...] = ()
    """The most similar features of the same site."""
    other_layers: tuple[Relative, ...] = ()
    """The same index at the other sites, in order of site."""
    facts: dict[str, float] = field(default_factory=dict)
    """Further numbers by name (`token_entropy`, `concept_f1`, ...), from later columns of the index."""
    labels: tuple[str, ...] = ()
    """Names of the feature: one that a person gave, then those of metrics, best first."""

    def _repr_html_(self) -> str:
        """Show the card in a notebook."""
        from .page import notebook

        return notebook(self)
