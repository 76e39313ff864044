"""Answers written by a model behind an OpenAI-compatible server."""

from collections.abc import Sequence

import stamina

from rag.errors import Unavailable
from rag.model import Answer
from rag.ports import GenerationRequest
from rag.settings import Settings
from workers.generation.chat import ChatServer
from workers.generation.conversation import Conversation, Speaker
from workers.generation.prompting import prompt
from workers.generation.refusals import refusal_of, refuse
from workers.tokens import estimated_tokens


class OpenAIGenerator:
    """The ``Generator`` port on a :class:`ChatServer`."""

    reads_vectors = False

    def __init__(
        self,
        server: ChatServer,
        *,
        name: str = "openai",
        min_relevance: float = 0.0,
        metadata_fields: Sequence[str] = (),
    ) -> None:
        """``min_relevance``: where no passage reaches it, the answer is "not found" without the model.

        ``metadata_fields``: of passages that the model is told.
        """
        self.name = name
        self._server = server
        self._min_relevance = min_relevance
        self._metadata_fields = metadata_fields
        self._model: str | None = None

    def answer(self, request: GenerationRequest) -> Answer:
        """See :meth:`Conversation.answer`."""
        if refusal := refusal_of(request, self._min_relevance, tuple(self._metadata_fields)):
            return refuse(request, refusal)
        server, hits = self._server, [candidate.hit for candidate in request.passages]
        asked = prompt(
            request.question,
            hits,
            budget=server.context_tokens,
            count=estimated_tokens,
            metadata_fields=self._metadata_fields,
        )
        model = self._model = self._model or server.available_model()
        speaker = Speaker(model, lambda: server.completion(model, asked.messages), server.timeout)
        return Conversation(speaker, asked.passages, request).answer()

    def warm(self) -> None:
        """Wait until the server answers and has the model. Raises what ``available_model`` does."""
        patience = max(self._server.patience, 0.001)
        for attempt in stamina.retry_context(on=Unavailable, attempts=None, timeout=patience, wait_max=1.0):
            with attempt:
                self._model = self._server.available_model()


def generator(settings: Settings) -> OpenAIGenerator:
    """For GENERATOR=openai."""
    key = settings.generator_api_key
    server = ChatServer(
        (settings.generator_url or "").rstrip("/"),
        settings.generator_model,
        lambda: key.get_secret_value() if key else None,
        max_tokens=settings.generator_max_tokens,
        context_tokens=settings.generator_context_tokens,
        timeout=settings.generator_timeout,
    )
    return OpenAIGenerator(
        server,
        min_relevance=settings.min_relevance or 0.0,
        metadata_fields=settings.context_metadata,
    )
