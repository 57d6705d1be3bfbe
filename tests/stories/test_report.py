"""The page about the stories says what the generator does."""

from pathlib import Path

import pytest

from topklm.stories import CONCEPTS, Stories
from topklm.stories.report import (
    MARKER,
    count,
    example_stories,
    first_bytes,
    main,
    split_sentences,
)

PAGE = Path(__file__).parents[2] / "docs" / "stories.md"


def test_the_page_shows_five_stories_as_they_come() -> None:
    # Corpora are named by their seed. If this fails on purpose, say so in the changelog, and build
    # the page again with the command in its marker.
    assert example_stories() in PAGE.read_text()


def test_the_page_lists_every_concept_with_its_numbers() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == [concept.name for concept in CONCEPTS]
    assert all(row.count("|") == 7 for row in rows)


def test_sentences_are_split_at_their_marks() -> None:
    text = '"Is it you?" Tom asked. "No!" He left.'
    assert split_sentences(text) == ["Is it you?", "Tom asked.", "No!", "He left."]


def test_counting_twice_the_same_finds_everything_repeated() -> None:
    stories = list(Stories(0).take(20))
    once, twice = count(stories), count([*stories, *stories])
    assert once.repeated_stories == 0
    assert twice.repeated_stories == 0.5
    assert twice.repeated_runs > 0.5
    assert twice.n_words == 2 * once.n_words
    assert twice.word_forms == once.word_forms + once.word_forms


def test_the_first_bytes_are_no_more_than_asked_for() -> None:
    stories = list(first_bytes(0, 10_000))
    assert stories == list(Stories(0).take(len(stories)))
    size = sum(len(story.text) + 1 for story in stories)
    assert size <= 10_000 < size + len(Stories(0).story(len(stories)).text) + 1


@pytest.mark.slow
def test_the_report_replaces_only_what_is_below_the_marker(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"above\n\n{MARKER}\n\nold\n")
    main([str(page)])
    text = page.read_text()
    assert text.startswith(f"above\n\n{MARKER}\n\n## Counts")
    assert "old\n" not in text.partition(MARKER)[2][:10]
    page.write_text("no marker")
    with pytest.raises(SystemExit, match="put it where"):
        main([str(page)])
