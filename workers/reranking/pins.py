"""What a question pins down: words that name some of the documents found, and not the others.

Of four quarterly reports, the question for "Q3 2022" means one. Their passages hardly differ; the titles do.
"""

from collections.abc import Sequence

from rag.model import Passage
from rag.text.context import names_of
from rag.text.lexical import question_features, term_counts


def pinned_shares(question: str, passages: Sequence[Passage], metadata_fields: Sequence[str]) -> list[float]:
    """For each passage the share of the pinned terms that name its document; 0 where none is pinned.

    A document's names are its titles and the named metadata. A term of the question is pinned if it occurs in
    the names of a document among ``passages``, and not in those of all.
    """
    terms = {term for feature in question_features(question) for term in feature.ids}
    named = {
        passage.document_id: terms & term_counts("\n".join(names_of(passage, metadata_fields))).keys()
        for passage in passages
    }
    if not named:
        return []
    sets = [set(each) for each in named.values()]
    pinned = set[int].union(*sets) - set[int].intersection(*sets)
    if not pinned:
        return [0.0] * len(passages)
    return [len(named[passage.document_id] & pinned) / len(pinned) for passage in passages]
