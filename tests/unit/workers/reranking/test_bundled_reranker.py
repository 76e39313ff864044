"""The cross-encoder reads what late interaction finds promising, in the context in which it stands."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from rag.model import Candidate, Embedding, Hit, Passage
from rag.ports import RerankRequest
from workers.embedding import minilm
from workers.embedding.bundled import BundledEmbedder
from workers.reranking.bundled import BundledReranker
from workers.reranking.cross_encoder.model import CrossEncoder
from workers.reranking.cross_encoder.pairs import Pair, Reader
from workers.reranking.late_interaction import LateInteraction

AXES = np.eye(64, dtype=np.float16)
QUERY = Embedding(np.eye(384, dtype=np.float32)[0], AXES[:2], np.ones(2, dtype=np.float32))


class Judge(CrossEncoder):
    """Finds passages good in which a word occurs, and remembers what it read."""

    def __init__(self, good: str) -> None:
        super().__init__(Path())
        self.good = good
        self.read: list[str] = []
        self._tokenizer = minilm.tokenizer()

    @property
    def reader(self) -> Reader:
        return Reader(self._tokenizer)

    def logits(self, pairs: Sequence[Pair]) -> list[float]:
        texts = [self._tokenizer.decode(list(pair.ids[pair.second :])) for pair in pairs]
        self.read += texts
        return [8.0 if self.good in text else -8.0 for text in texts]


def no_embedder() -> BundledEmbedder:
    raise AssertionError("every vector is there")


def candidate(text: str, *, closeness: float = 0.5, **about: object) -> Candidate:
    dense = np.zeros(384, dtype=np.float32)
    dense[:2] = closeness, np.sqrt(1 - closeness**2)
    passage = Passage(text, text, 1, 0, text, about.pop("title", ""), 0, len(text), **about)  # type: ignore[arg-type]
    return Candidate(Hit(passage, 1.0), dense, AXES[40:44])


def relevance(
    judge: Judge, question: str, *candidates: Candidate, fields: tuple[str, ...] = ()
) -> list[float]:
    late = LateInteraction(no_embedder, stored=True, metadata_fields=fields)
    request = RerankRequest(question, QUERY, candidates)
    return BundledReranker(late, judge, fields).relevance([request])[0]


def test_what_the_cross_encoder_finds_good_comes_first() -> None:
    judge = Judge("harbour")
    bad, good = relevance(judge, "Where do ships land?", candidate("A cat."), candidate("The harbour."))
    assert good > bad + 0.1


def test_it_reads_a_passage_under_its_title_headings_and_named_metadata() -> None:
    judge = Judge("x")
    about = {
        "title": "Manual",
        "headings": ("Manual", "Pumps"),
        "metadata": {"product": "AQ-7", "shelf": "9"},
    }
    relevance(judge, "How heavy is it?", candidate("It weighs 4 kg.", **about), fields=("product",))
    assert judge.read == ["manual product : aq - 7 pumps it weighs 4 kg. [SEP]".replace(" [SEP]", "")]


def test_it_reads_few_of_many_candidates_and_those_that_lie_far_behind_not_at_all() -> None:
    judge = Judge("x")
    near = [candidate(f"near {n}", closeness=0.9) for n in range(20)]
    relevance(judge, "question", *near, *(candidate(f"far {n}", closeness=0.1) for n in range(10)))
    assert len(judge.read) == 10
    assert all(text.startswith("near") for text in judge.read)


@pytest.mark.parametrize("question", ["Где находится гавань?", "港はどこですか", "أين الميناء؟"])
def test_it_has_no_say_about_a_question_in_a_script_that_it_does_not_read(question: str) -> None:
    judge = Judge("harbour")
    near, far = relevance(
        judge, question, candidate("a cat", closeness=0.9), candidate("the harbour", closeness=0.1)
    )
    assert judge.read == []
    assert near > far


def test_it_does_not_read_a_passage_in_another_script() -> None:
    judge = Judge("harbour")
    relevance(judge, "Where is the harbour?", candidate("Гавань находится на севере."), candidate("a cat"))
    assert judge.read == ["a cat"]


def test_of_documents_that_hardly_differ_the_one_that_the_question_names_comes_first() -> None:
    judge = Judge("x")
    text = "Net sales rose by {} percent."
    reports = [
        candidate(text.format(n), closeness=0.6 + n / 100, title="Report", searched_title=f"2023 Q{n} ACME")
        for n in (1, 2, 3)
    ]
    first, second, third = relevance(judge, "How did net sales change in Q1 2023?", *reports)
    assert first > third > second or first > second > third
