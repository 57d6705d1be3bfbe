"""Names of the files in which an evaluation of steering keeps its texts."""

from math import nan

from hypothesis import given
from hypothesis import strategies as st

from topklm.steering.arms import Unit


def key(concept: str) -> str:
    return Unit("direction", "L2", 2, concept, nan, 1.0, "add", None, None).key


def test_concepts_that_differ_in_a_sign_alone_have_files_of_their_own() -> None:
    assert key("C#") != key("C+")
    assert key("sea") == "direction--L2-sea"


@given(st.text(max_size=400))
def test_any_concept_gives_a_file_name(concept: str) -> None:
    assert len(key(concept)) < 110
    assert "/" not in key(concept)
