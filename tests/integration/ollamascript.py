"""A server of Ollama's schema that follows a script, built on the scripted model server."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler

import numpy as np
import redis

from rag.model import Candidate, Embedding, Hit, Passage
from rag.ports import GenerationRequest
from rag.redis.slots import Slots
from tests.integration.modelserver import Answer, Handler, Script, scripted, status
from workers.generation.ollama import OllamaGenerator, Window
from workers.ollama.replica import Replica

NOBODY = "http://127.0.0.1:1"
TEXT = "The Eiffel Tower was completed in 1889."


class OllamaHandler(Handler):
    """``script.models`` are listed, ``script.answers`` given to chats, embeddings and pulls."""

    def tell_models(self) -> None:
        models = [{"model": name, "name": name} for name in self.script.models]
        status(200, json.dumps({"models": models}).encode())(self)

    def follow_script(self, body: dict[str, object]) -> None:
        self.script.bodies.append({"path": self.path, **body})
        if body.get("messages") == []:  # which only loads the model
            status(200, words(done=True).encode())(self)
        else:
            self.script.answers.pop(0)(self)


@contextmanager
def two_servers() -> Iterator[list[Script]]:
    with ExitStack() as stack:
        yield [stack.enter_context(scripted(OllamaHandler, path="")) for _ in range(2)]


def replica(url: str, timeout: float = 20.0) -> Replica:
    return Replica(url, "tiny", "24h", timeout)


def generator(
    client: redis.Redis, *urls: str, limit: int = 2, timeout: float = 20.0, pull: bool = False
) -> OllamaGenerator:
    window = Window(shown=500, answer=100, most=4096)
    return OllamaGenerator(
        [replica(url, timeout) for url in urls], Slots(client, urls, limit), window, pull=pull
    )


def request(
    emit: Callable[[str], None] = lambda piece: None,
    cancelled: Callable[[], bool] = lambda: False,
    question: str = "When?",
) -> GenerationRequest:
    hit = Hit(Passage("c", "d", 1, 0, TEXT, "Tower", 0, len(TEXT)), 0.9)
    query = Embedding(np.zeros(4, np.float32))
    return GenerationRequest(question, query, (Candidate(hit),), emit, cancelled)


def words(content: str = "", thinking: str | None = None, *, done: bool = False, reason: str = "stop") -> str:
    """A line of a streamed chat."""
    message = {"role": "assistant", "content": content}
    if thinking is not None:
        message["thinking"] = thinking
    end = {"done_reason": reason} if done else {}
    return json.dumps({"model": "tiny", "message": message, "done": done, **end}) + "\n"


def said(*pieces: str) -> Answer:
    """These pieces, and the end."""
    return lines(*(words(piece) for piece in pieces), words(done=True))


def lines(*sent: str, after: threading.Event | None = None) -> Answer:
    """These lines; all but the first wait for ``after``."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for n, line in enumerate(sent):
            if n and after is not None:
                after.wait(20)
            handler.wfile.write(line.encode())
            handler.wfile.flush()

    return answer


def vectors(*given: list[float]) -> Answer:
    return status(200, json.dumps({"embeddings": given}).encode())


def refused(code: int, error: str) -> Answer:
    return status(code, json.dumps({"error": error}).encode())
