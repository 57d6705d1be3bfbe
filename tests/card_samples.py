"""Cards to draw: one of a live neuron with everything on it, one of a dead one, and any card at all."""

from hypothesis import strategies as st

from topklm.reports.card import Bin, Card, Example, Relative, TokenChange, TokenShare

TEXT = (
    "Once the old dog <b>saw</b> a [red] cat.\nIt ran; the dog ran\tafter it, and then the 犬 dog slept 🐕 ."
)
HARD_TOKENS = ("<script>alert(1)</script>", "&amp;", "[bold red]", "\x1b[31m", "\u202e", "\n", "\t", "\x00")


def example(words: list[str], peak: int, activation: float, place: int) -> Example:
    """An example that fires on its peak, half as much on the token before, a tenth on the first."""
    activations = [0.0] * len(words)
    activations[0], activations[peak - 1], activations[peak] = activation / 10, activation / 2, activation
    return Example(tuple(words), tuple(activations), peak, place // 40, place)


def live_card(**changes: object) -> Card:
    """A neuron with everything that a card can show."""
    words = [f" {word}" for word in TEXT.split(" ")]
    bins = [
        Bin(
            high - 0.4,
            high,
            int(30 / high),
            tuple(example(words, 3 + n, high - n / 20, int(400 * high) + 40 * n) for n in range(3)),
        )
        for high in (4.0, 2.5, 1.0)
    ]
    fields: dict[str, object] = {
        "feature": "L3/N17",
        "source": "topk",
        "corpus": "the validation part of stories",
        "n_tokens": 22_140,
        "firings": 271,
        "density": 271 / 22_140,
        "status": "live",
        "mean": 1.234,
        "maximum": 4.0,
        "quantiles": {"0.5": 1.1, "0.9": 2.3, "0.99": 3.9},
        "histogram_edges": tuple(n / 5 for n in range(21)),
        "histogram_counts": (50, 61, 40, 30, 25, 20, 12, 9, 8, 6, 3, 2, 1, 0, 1, 0, 0, 2, 0, 1),
        "top_tokens": tuple(
            TokenShare(token, 0.4 / n, 100 // n)
            for n, token in enumerate((" dog", " cat", "\n", *HARD_TOKENS), 1)
        ),
        "promoted": (TokenChange(" barked", 0.41), TokenChange(" ran", 0.2)),
        "suppressed": (TokenChange(" the", -0.31), TokenChange("<|endoftext|>", -0.2)),
        "bins": tuple(bins),
        "similar": (Relative("L3/N99", 0.81, 0.01, " cat"), Relative("L3/N4", 0.4, 0.002, " hen")),
        "other_layers": (Relative("L0/N17", 0.02, 0.0, ""), Relative("L1/N17", 0.52, 0.03, " dogs")),
        "facts": {"token_entropy": 3.21, "concept_f1": 0.7},
        "labels": ("animals", "dog"),
    }
    return Card(**{**fields, **changes})


def dead_card() -> Card:
    """A neuron that never fired: counts of zero and nothing to show."""
    return Card("L0/N3", "topk", "stories", 22_140, 0, 0.0, "dead", float("nan"), float("nan"))


tokens = st.one_of(
    st.text(min_size=0, max_size=12),
    st.text(st.characters(codec=None), max_size=6),
    st.sampled_from(HARD_TOKENS),
    st.text(min_size=60, max_size=80),
)
"""Any token text, lone surrogates and control characters included."""
numbers = st.floats(-100, 100)


@st.composite
def examples(draw: st.DrawFn) -> Example:
    """Any example."""
    texts = draw(st.lists(tokens, min_size=1, max_size=12))
    activations = draw(st.lists(numbers, min_size=len(texts), max_size=len(texts)))
    return Example(tuple(texts), tuple(activations), draw(st.integers(0, len(texts) - 1)), 0, 0)


@st.composite
def cards(draw: st.DrawFn) -> Card:
    """Any card with at least one example."""
    found = draw(st.lists(examples(), min_size=1, max_size=3))
    return live_card(
        bins=(Bin(0.0, 1.0, 3, tuple(found)),),
        corpus=draw(tokens),
        labels=tuple(draw(st.lists(tokens, max_size=2))),
        top_tokens=tuple(TokenShare(token, 0.1, 1) for token in draw(st.lists(tokens, max_size=4))),
        promoted=tuple(TokenChange(token, 0.1) for token in draw(st.lists(tokens, max_size=2))),
        similar=(Relative("L3/N1", 0.5, 0.1, draw(tokens)),),
    )
