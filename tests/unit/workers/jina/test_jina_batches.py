import asyncio
from collections.abc import Sequence

import pytest

from rag.errors import ModelError
from workers.jina.batches import BatchLimits, OversizeError, batches, call_in_parts
from workers.tokens import estimated_tokens


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("four word long text", 4),
        ("Это предложение на русском", 5),
        ("日本語の文章です。", 6),
        ("\ud800", 1),
    ],
)
def test_an_estimate_is_seldom_under_what_a_multilingual_tokenizer_counts(text: str, tokens: int) -> None:
    assert tokens <= estimated_tokens(text) <= 4 * tokens


@pytest.mark.parametrize(
    ("limits", "sizes"),
    [
        (BatchLimits(tokens=100, texts=2), [2, 2, 1]),
        (BatchLimits(tokens=6, texts=10), [3, 2]),
        (BatchLimits(tokens=1, texts=10), [1, 1, 1, 1, 1]),
        (BatchLimits(tokens=100, texts=10), [5]),
    ],
)
def test_texts_go_in_order_within_both_limits(limits: BatchLimits, sizes: list[int]) -> None:
    # given texts of one, two, two, two and three tokens
    texts = ["one", "abcdef", "abcdef", "abcdef", "abcdefghi"]
    # when they are cut into batches
    cut = list(batches(texts, limits))
    # then nothing is lost or moved
    assert [text for batch in cut for text in batch] == texts
    assert [len(batch) for batch in cut] == sizes


def test_what_every_text_costs_beside_its_own_counts() -> None:
    limits = BatchLimits(tokens=10, texts=10)
    assert [len(b) for b in batches(["abc"] * 4, limits, each=4)] == [2, 2]
    assert list(batches([], limits)) == []


class Server:
    """Takes calls of up to ``most`` characters."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.calls: list[int] = []

    async def upper(self, texts: Sequence[str]) -> list[str]:
        self.calls.append(len(texts))
        if sum(map(len, texts)) > self.most:
            raise OversizeError("too much")
        return [text.upper() for text in texts]


def test_a_call_that_is_too_large_is_made_in_halves_of_halves() -> None:
    server = Server(most=5)
    assert asyncio.run(call_in_parts(["ab", "c", "d", "efgh", "i"], server.upper)) == [
        "AB",
        "C",
        "D",
        "EFGH",
        "I",
    ]
    assert server.calls == [5, 2, 3, 1, 2]


def test_a_single_text_that_is_too_large_is_an_error_that_says_what_to_do() -> None:
    server = Server(most=5)
    with pytest.raises(ModelError, match=r"single text of 6 characters.*CHUNK_TOKENS"):
        asyncio.run(call_in_parts(["a", "b", "abcdef"], server.upper))
