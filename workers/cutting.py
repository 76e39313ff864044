"""The program of the process that parses files for workers and cuts their text into chunks.

Cutting counts tokens of the bundled model. It runs native code (a tokenizer, sentencex) over
hostile text, so it is done in the confined child that parsed the file. The tokenizer is
loaded once, before children are forked.
"""

import sys
from functools import cache

from rag.parsing import fork_server
from rag.text.chunking import TokenChunker
from workers.embedding import minilm


def chunker(max_tokens: int) -> TokenChunker:
    """A chunker of at most ``max_tokens`` a chunk. It loads the tokenizer when first used."""
    tokenizer = cache(minilm.tokenizer)
    return TokenChunker(lambda text: len(tokenizer().encode(text, add_special_tokens=False)), max_tokens)


if __name__ == "__main__":
    fork_server.main(chunker)
    sys.exit(0)
