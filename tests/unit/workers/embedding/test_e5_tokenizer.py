"""How multilingual-e5-small cuts a text into pieces, over a vocabulary of a few."""

import pytest
from tokenizers import Tokenizer

from workers.embedding.e5.tokenizer import BEGIN, END, MAX_TOKENS, UNKNOWN, token_ids, tokenizer_file

SPECIAL = [(token, 0.0) for token in ("<s>", "<pad>", "</s>", "<unk>")]
PIECES = [
    *SPECIAL,
    *((piece, -1.0) for piece in ("▁passage", "▁query", ":")),
    *((piece, -3.0) for piece in ("▁", "▁lift", "er", "?")),
]
PASSAGE, QUERY, COLON, SPACE, LIFT, ER, MARK = range(4, 11)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_buffer(tokenizer_file(PIECES))


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("lift", [LIFT]),
        ("lifter", [LIFT, ER]),
        ("lift  lift", [LIFT, LIFT]),
        ("lift\n\tlift", [LIFT, LIFT]),
        ("ｌｉｆｔ", [LIFT]),  # wide letters, which NFKC makes plain
        ("lift🙂", [LIFT, UNKNOWN]),
        ("lift\ud800", [LIFT, MARK]),
        ("", []),
    ],
)
def test_given_a_text_then_its_most_probable_pieces_stand_behind_the_prefix(
    tokenizer: Tokenizer, text: str, ids: list[int]
) -> None:
    found = token_ids(tokenizer, "passage", text)

    assert (found[:3], found[-1]) == ([BEGIN, PASSAGE, COLON], END)
    assert [each for each in found[3:-1] if each != SPACE] == ids


def test_given_a_question_then_its_prefix_is_another(tokenizer: Tokenizer) -> None:
    assert token_ids(tokenizer, "query", "lift") == [BEGIN, QUERY, COLON, LIFT, END]


def test_given_a_long_text_then_no_more_is_read_than_the_model_has_places_for(tokenizer: Tokenizer) -> None:
    assert len(token_ids(tokenizer, "passage", "lift " * 2_000)) == MAX_TOKENS + 2 == 512
