"""The program of the process that reads files for workers: it cuts them too, by the bundled model's tokens.

Cutting runs native code (a tokenizer, sentencex) over whatever a file says, so it is done in the
limited child that has read the file. The tokenizer is loaded once, before children are forked.
"""

import sys
from functools import cache

from rag.chunking import TokenChunker
from rag.parsing import fork_server
from workers.embedding import minilm


def chunker(max_tokens: int) -> TokenChunker:
    """Loads the tokenizer at its first use."""
    tokenizer = cache(minilm.tokenizer)
    return TokenChunker(lambda text: len(tokenizer().encode(text, add_special_tokens=False)), max_tokens)


if __name__ == "__main__":
    fork_server.main(chunker)
    sys.exit(0)
