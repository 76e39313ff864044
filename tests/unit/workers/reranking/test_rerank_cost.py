"""A long question costs the reranker no more than a short one."""

import numpy as np

from rag.model import Embedding
from workers.reranking.late_interaction import MOST_TOKENS, heaviest_tokens


def test_a_long_question_is_weighed_by_its_heaviest_tokens_in_their_order() -> None:
    weights = np.arange(512, dtype=np.float32)
    tokens = np.repeat(weights[:, None], 4, axis=1)

    kept, shares = heaviest_tokens(
        Embedding(dense=tokens[0], tokens=tokens.astype(np.float16), weights=weights)
    )

    assert kept[:, 0].tolist() == weights[-MOST_TOKENS:].tolist()
    assert abs(float(shares.sum()) - 1) < 1e-5


def test_a_short_question_is_weighed_by_all_of_it() -> None:
    tokens = np.ones((9, 4), dtype=np.float32)

    kept, shares = heaviest_tokens(Embedding(dense=tokens[0], tokens=tokens.astype(np.float16), weights=None))

    assert len(kept) == len(shares) == 9
