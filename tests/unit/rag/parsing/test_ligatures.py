"""Words of a PDF whose font does not name its ligatures."""

import pytest

from rag.parsing.ligatures import with_ligatures, words_of

WORDS = words_of(
    ["The definition of a different prefix", "prefixes, fit and flit, offset and off", "de\x1bned"]
)


@pytest.mark.parametrize(
    ("text", "layer", "expected"),
    [
        ("The de\x1bnition", "The de\x1bnition", "The definition"),
        ("The defnition is diferent.", "The de\x1bnition is di\x1derent.", "The definition is different."),
        ("prefxes_2", "pre\x1bxes_2", "prefixes_2"),
    ],
)
def test_a_word_that_stands_whole_elsewhere_in_the_document_is_repaired(text, layer, expected):
    assert with_ligatures(text, layer, WORDS) == expected


@pytest.mark.parametrize(
    ("text", "layer"),
    [
        pytest.param("specifc de\x1bned", "speci\x1bc de\x1bned", id="it stands nowhere whole"),
        pytest.param("the \x1bit", "the \x1bit", id="more than one word may be meant"),
        pytest.param("ofset", "ofset o\x1bset", id="what is read is a word of the page"),
        pytest.param("ofset", "ofset", id="the layer has no such word"),
    ],
)
def test_no_other_word_is_changed(text, layer):
    words = WORDS | {"flit", "ffit", "fiit"}

    assert with_ligatures(text, layer, words) == text
