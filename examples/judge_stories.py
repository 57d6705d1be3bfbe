"""Print how much of the labelled stories a run has learnt, as Markdown.

python examples/judge_stories.py RUN [NUMBER OF STORIES]
"""

import sys

import topklm
from topklm.core.stats import Estimate
from topklm.evaluation.generation import write_many
from topklm.evaluation.stories import kept, story_gap
from topklm.stories import Stories, Story
from topklm.training.prepare import unlearnt_stories

TEMPERATURE = 0.8


def shown(estimate: Estimate, scale: float = 1.0, digits: int = 2) -> str:
    """Write an estimate with its interval."""
    value, low, high = (f"{scale * part:.{digits}f}" for part in estimate)
    return f"{value} [{low}, {high}]"


def main(path: str, count: str = "200") -> None:
    """Compare with the trigram and the path; judge generated stories beside true ones."""
    model, tokenizer, run = topklm.load(path)
    corpus, _ = topklm.load_corpus(run.settings.data).split()
    documents = corpus.documents()
    texts = [next(documents).text for _ in range(run.about["corpus"]["train"]["documents"])]
    held_out: list[Story] = list(Stories(unlearnt_stories(run)).take(int(count)))
    gap = story_gap(model, tokenizer, trained_on=texts, held_out=held_out)
    print("| bits per word | |\n| --- | --- |")
    for name in ("trigram", "model", "path"):
        print(f"| {name} | {shown(getattr(gap, name), digits=3)} |")
    print(f"| gap closed, % | {shown(gap.closed, 100, 1)} |")
    told: list[str] = []
    while len(told) < len(held_out):
        told += write_many(
            model, tokenizer, "", 50, max_new_tokens=400, temperature=TEMPERATURE, seed=len(told)
        )
    told = told[: len(held_out)]
    print("\n| kept, % | true stories | generated |\n| --- | --- | --- |")
    judged = kept([story.text for story in held_out]), kept(told)
    for name in ("topic", "people", "outcome"):
        cells = " | ".join(shown(getattr(one, name), 100, 0) for one in judged)
        print(f"| {name} | {cells} |")
    print(f"\n{gap.n_documents} held-out stories, {gap.n_words:,} words; temperature {TEMPERATURE}\n")
    for text in told[:3]:
        print(f"> {text}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
