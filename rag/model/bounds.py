"""Limits hits and answers, between the stages of a question and in its result, in bytes of JSON."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import TypeVar
from urllib.parse import quote

from rag.model import Citation, Hit, Passage

LONGEST_PASSAGE = 16_384
"""Characters. The chunker makes shorter ones; passages of earlier versions may hold megabytes of space."""

BETWEEN_STAGES = 8 << 20
_SHOWN_HITS, _SHOWN_CITATIONS, _SHOWN_ANSWER, _SHOWN_REASONING = 512 << 10, 256 << 10, 192 << 10, 64 << 10

_LEAST_TEXT = 512
"""Bytes of each text: with less of them, hits are left out."""
_LONGEST_TITLE, _LONGEST_HEADING, _MOST_HEADINGS = 1_000, 500, 16
_OTHER_FIELDS = 320  # bytes: names, numbers and punctuation
_ADDRESSES = 420  # bytes: two of them, without the document's id

_MOST_BYTES = 6  # of one character in JSON

T = TypeVar("T", Passage, Citation)


def bounded(hits: Sequence[Hit], most: int = BETWEEN_STAGES) -> list[Hit]:
    """``hits`` in at most ``most`` bytes with all that they carry; ``end`` is that of the cut text.

    Texts are cut first, the longest ones most. Where each would have less than 512 bytes, the last hits are
    left out.
    """
    passages = [_short(hit.passage) for hit in hits]
    beside = [_size_beside(passage) for passage in passages]
    texts = [size(passage.text) for passage in passages]
    least = accumulate(each + min(text, _LEAST_TEXT) for each, text in zip(beside, texts, strict=True))
    count = sum(1 for together in least if together <= most)
    longest = _longest(texts[:count], most - sum(beside[:count]))
    return [
        Hit(_cut(passage, longest), hit.score)
        for passage, hit in zip(passages[:count], hits[:count], strict=True)
    ]


def shown_hits(hits: Sequence[Hit]) -> list[Hit]:
    """The hits that a result shows."""
    return bounded(hits, _SHOWN_HITS)


def shown_citations(citations: Sequence[Citation]) -> list[Citation]:
    """The citations that a result shows: all, since the answer names each; their texts are cut."""
    short = [replace(one, passage=_short(one.passage)) for one in citations]
    left = _SHOWN_CITATIONS - sum(_size_beside(one.passage) for one in short)
    longest = _longest((size(one.text) for one in short), left)
    return [_cut(one, longest) for one in short]


def shown_answer(text: str) -> str:
    return beginning(text, _SHOWN_ANSWER)


def shown_reasoning(text: str) -> str:
    return beginning(text, _SHOWN_REASONING)


def encoded(value: object) -> bytes:
    """JSON in UTF-8, with a lone surrogate written as ``\\udXXX``. ValueError for NaN."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace")


def size(text: str) -> int:
    """Bytes of a text in JSON, without its quotes."""
    return len(encoded(text)) - 2


def beginning(text: str, most: int) -> str:
    """As much of ``text`` as takes ``most`` bytes in JSON, without white space at its end."""
    most = max(0, most)
    if _MOST_BYTES * len(text) <= most or (len(text) <= most and size(text) <= most):
        return text
    cut = encoded(text[:most])[1:-1][:most].decode("utf-8", "ignore")
    while True:
        try:
            found = str(json.loads(f'"{cut}"'))
        except ValueError:  # the cut is within an escape, of which more has to go
            cut = cut[:-1]
            continue
        return found.rstrip() or found


def _short(passage: Passage) -> Passage:
    """The passage with its text, title and headings cut to the longest of this version."""
    title = beginning(passage.title, _LONGEST_TITLE)
    headings = tuple(beginning(heading, _LONGEST_HEADING) for heading in passage.headings[-_MOST_HEADINGS:])
    text = passage.text[:LONGEST_PASSAGE]
    text = passage.text if len(text) == len(passage.text) else text.rstrip() or text
    return _with_text(replace(passage, title=title, headings=headings), text)


def _size_beside(passage: Passage) -> int:
    """Bytes of everything but the text."""
    beside = [passage.document_id, passage.chunk_id, passage.title, passage.headings, dict(passage.metadata)]
    return len(encoded(beside)) + _OTHER_FIELDS + _ADDRESSES + 2 * len(quote(passage.document_id, safe=""))


def _longest(sizes: Iterable[int], most: int) -> int:
    """The bytes to cut texts to, so that they take ``most`` together; short ones stay whole."""
    ascending = sorted(sizes)
    for number, each in enumerate(ascending):
        share = most // (len(ascending) - number)
        if each > share:
            return share
        most -= each
    return ascending[-1] if ascending else 0


def _cut(one: T, longest: int) -> T:
    return _with_text(one, beginning(one.text, longest))


def _with_text(one: T, text: str) -> T:
    return one if text == one.text else replace(one, text=text, end=one.start + len(text))
