"""The gate of every /v1 route: key, rate limit, role, query parameters, and the caller's turn.

One dependency that reads the request itself: each further one costs a request some 40 µs.
What it reads is told to OpenAPI by :mod:`api.openapi`.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Annotated, ParamSpec, TypeVar

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool

from api.access import ANYBODY, Caller
from api.parameters import refuse_unknown
from api.parts import Parts
from api.scope import CALLER, REFUSED
from rag.addresses import counted_as
from rag.errors import Unauthenticated
from rag.settings import Role

_READS = ("GET", "HEAD")

Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was let in."""

    parts: Parts
    caller: Caller
    request: Request

    @property
    def holder(self) -> str:
        """Whose share of the service it takes from: the key's, or the address's where no key is asked for."""
        caller = self.caller
        return f"key:{caller.name}" if caller != ANYBODY else _own(self.request)

    def collection(self, named: str | None) -> str:
        """The collection that is meant. Forbidden outside the caller's scope."""
        name = named or self.parts.settings.collection_name
        self.caller.must_reach(name)
        return name

    async def work(self, act: Callable[Asked, Answer], *args: Asked.args, **kwargs: Asked.kwargs) -> Answer:
        """What ``act`` returns, from a thread, when it is this caller's turn to have one more."""
        async with self.parts.turns.taken(self.holder):
            return await run_in_threadpool(act, *args, **kwargs)


async def _let_in(request: Request, role: Role) -> Call:
    parts: Parts = request.app.state.parts
    caller = await _admit(parts, request)
    request.scope[CALLER] = caller
    caller.must_be(role)
    await refuse_unknown(request)
    return Call(parts, caller, request)


def _of_role(role: Role) -> Callable[[Request], AsyncIterator[Call]]:
    async def gate(request: Request) -> AsyncIterator[Call]:
        """A plain function is worked in a thread as a whole, and so in a turn; a coroutine takes its own."""
        call = await _let_in(request, role)
        if iscoroutinefunction(request.scope["endpoint"]):
            yield call
            return
        async with call.parts.turns.taken(call.holder):
            yield call

    return gate


async def _listener(request: Request) -> Call:
    return await _let_in(request, Role.READ)


async def _admit(parts: Parts, request: Request) -> Caller:
    """The caller, counted under its key's name; without a good key, under its address.

    Reads are counted apart, so that who looks how its jobs stand can still submit. Wrong keys count like
    submits whatever they ask for, and have a limit of their own too, which is there where no other is.
    """
    own = _own(request)
    try:
        caller = await parts.keyring.caller(token_of(request))
    except Unauthenticated:
        request.scope[REFUSED] = True
        await parts.admission.admit(own)
        if token_of(request) is not None:
            await parts.wrong_keys.admit(own)
        raise
    limit = parts.reads if request.method in _READS else parts.admission
    await limit.admit(own if caller is ANYBODY else caller.counted_as)
    return caller


def _own(request: Request) -> str:
    return f"address:{counted_as(address_of(request))}"


def token_of(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def address_of(request: Request) -> str:
    """The client's address; behind a proxy, what uvicorn made of its headers."""
    return request.client.host if request.client and request.client.host else "local"


_Reading = Depends(_of_role(Role.READ), scope="function")
_Writing = Depends(_of_role(Role.WRITE), scope="function")
_Administering = Depends(_of_role(Role.ADMIN), scope="function")


async def _all_reaching(call: Annotated[Call, _Administering]) -> Call:
    call.caller.must_reach_all()
    return call


ReadCall = Annotated[Call, _Reading]
WriteCall = Annotated[Call, _Writing]
AdminCall = Annotated[Call, Depends(_all_reaching)]
"""By an admin whose key reaches all collections."""
ListenCall = Annotated[Call, Depends(_listener)]
"""By a reader, for as long as its answer goes on."""
