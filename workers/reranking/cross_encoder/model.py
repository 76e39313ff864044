"""ms-marco-MiniLM-L-12-v2 in int8, on this machine's CPU."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

from rag.errors import ModelError
from workers.bundled.models import CROSS_ENCODER
from workers.embedding.minilm import open_tokenizer
from workers.reranking.cross_encoder.pairs import Pair, Reader
from workers.reranking.cross_encoder.session import Session, open_session

_SET_UP = "run `aegis setup`"


class CrossEncoder:
    """Says how well passages answer questions, as logits between -12 and 11.

    A pair's logit depends on nothing but the pair. Opened on first use; usable in children forked later.
    """

    name = CROSS_ENCODER.name

    def __init__(self, model_dir: Path, *, threads: int = 2) -> None:
        """``model_dir``: the folder given to ``build``. ``threads``: pairs read at once."""
        self._model_dir = model_dir
        self._threads = threads

    @property
    def reader(self) -> Reader:
        return self._model[0]

    def logits(self, pairs: Sequence[Pair]) -> list[float]:
        """One logit a pair, in order."""
        session = self._model[1]
        if len(pairs) < 2 or self._threads < 2:
            return [session.logit(pair) for pair in pairs]
        with ThreadPoolExecutor(self._threads) as pool:
            return list(pool.map(session.logit, pairs))

    def warm(self) -> None:
        """Load the model and try it. ModelError when it is not built or its logits are wrong."""
        question = "How long are backups kept?"
        passages = ("Backups are kept for thirty days, then removed.", "A cat sleeps on the sofa.")
        near, away = self.logits(self.reader.pairs_of((question, passage) for passage in passages))
        if not near > away + 2:  # false for NaN too
            raise ModelError(f"{self.name} answers nonsense: remove {self._model_dir}, then {_SET_UP}")

    @cached_property
    def _model(self) -> tuple[Reader, Session]:
        files = CROSS_ENCODER.files(self._model_dir)
        if not files.complete():
            raise ModelError(f"{self.name} is not built, or not complete, in {files.folder}: {_SET_UP}")
        try:
            return Reader(open_tokenizer(files.tokenizer.read_bytes())), open_session(files.model)
        except Exception as error:
            raise ModelError(f"{files.folder} cannot be loaded ({error}): {_SET_UP}") from error
