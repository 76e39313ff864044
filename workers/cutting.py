"""The program of the process that parses files for workers and cuts their text into chunks.

Cutting counts tokens of the bundled model. It runs native code (a tokenizer, sentencex) over
hostile text, so it is done in the confined child that parsed the file; the worker itself cuts small texts
alone (``docs/decisions/0058-fewer-hops.md``). The tokenizer is loaded once, before children are forked.
"""

import sys
from functools import cache
from math import ceil

from rag.parsing import fork_server
from rag.text.chunking import TokenChunker
from rag.text.scripts import other_scripts
from workers.embedding import minilm

_TOKENS_OF_WORD = 1.5


def chunker(max_tokens: int) -> TokenChunker:
    """A chunker of at most ``max_tokens`` a chunk. It loads the tokenizer when first used."""
    tokenizer = cache(minilm.tokenizer)

    def tokens(text: str) -> int:
        """The bundled model's tokens of Latin letters, and for every other word what an English one has.

        It takes other scripts apart into letters, or takes a whole sentence for one unknown word.
        """
        latin, words = other_scripts(text)
        return len(tokenizer().encode(latin, add_special_tokens=False)) + ceil(_TOKENS_OF_WORD * words)

    return TokenChunker(tokens, max_tokens)


if __name__ == "__main__":
    fork_server.main(chunker)
    sys.exit(0)
