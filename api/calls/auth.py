"""Authentication and authorization of every /v1 route: key, rate limit, role, query parameters.

All of it is one dependency that reads the request itself, since each further dependency costs a request
about 40 µs. :mod:`api.calls.openapi` describes to OpenAPI what is read here.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Annotated, ParamSpec, TypeVar

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool

from api.access.access import ANYBODY, CALLER, KEY_REFUSED, Caller
from api.calls.parts import Parts
from api.http.routing import refuse_unknown
from rag.errors import Unauthenticated
from rag.settings import Role
from rag.web.addresses import counted_as

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
    def quota_key(self) -> str:
        """Whose quotas it uses: its key's, or its address's where no key is needed."""
        return f"key:{self.caller.name}" if self.caller != ANYBODY else _address_key(self.request)

    def collection(self, named: str | None) -> str:
        """The collection that is meant; None: the default one. Forbidden outside the caller's scope."""
        name = named or self.parts.settings.collection_name
        self.caller.must_reach(name)
        return name

    async def count_more(self, requests: int) -> None:
        """Count the call as so many more for the rate limit. Overloaded, InvalidRequest."""
        if requests > 0:
            caller = _address_key(self.request) if self.caller is ANYBODY else self.caller.rate_key
            await self.parts.write_limit.admit(caller, requests)

    async def run_in_thread(
        self, act: Callable[Asked, Answer], *args: Asked.args, **kwargs: Asked.kwargs
    ) -> Answer:
        """What ``act`` returns. It runs once this caller may have one more thread."""
        async with self.parts.threads.hold(self.quota_key):
            return await run_in_threadpool(act, *args, **kwargs)


def token_of(request: Request) -> str | None:
    """The bearer token; None without one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def address_of(request: Request) -> str:
    """The client's address; behind a trusted proxy, the one that the proxy named."""
    return request.client.host if request.client and request.client.host else "local"


def _address_key(request: Request) -> str:
    return f"address:{counted_as(address_of(request))}"


async def count_refused_key(request: Request) -> None:
    """Count a request whose key was refused, or that lacks one, for its address. Overloaded over a limit."""
    parts: Parts = request.app.state.parts
    request.scope[KEY_REFUSED] = True
    await parts.write_limit.admit(_address_key(request))
    if token_of(request) is not None:
        # Wrong keys have a limit even where requests have none, so that keys cannot be guessed.
        await parts.wrong_keys.admit(_address_key(request))


async def _admit(request: Request, role: Role) -> Call:
    """The call, counted for its key or, without a good one, for its address.

    Unauthenticated, Forbidden for a lesser role, Overloaded, RequestValidationError for unknown parameters.
    """
    parts: Parts = request.app.state.parts
    try:
        caller = await parts.authenticator.authenticate(token_of(request))
    except Unauthenticated:
        await count_refused_key(request)
        raise
    # Reads have a limit of their own: a client that polls its jobs can still submit new ones.
    limit = parts.read_limit if request.method in _READS else parts.write_limit
    await limit.admit(_address_key(request) if caller is ANYBODY else caller.rate_key)
    request.scope[CALLER] = caller
    caller.must_be(role)
    await refuse_unknown(request)
    return Call(parts, caller, request)


def _admission_of(role: Role) -> Callable[[Request], AsyncIterator[Call]]:
    async def admit(request: Request) -> AsyncIterator[Call]:
        call = await _admit(request, role)
        if iscoroutinefunction(request.scope["endpoint"]):
            yield call  # a coroutine holds a thread only while it calls run_in_thread
            return
        async with call.parts.threads.hold(call.quota_key):  # a plain function runs in a thread as a whole
            yield call

    return admit


_Reading = Depends(_admission_of(Role.READ), scope="function")
_Writing = Depends(_admission_of(Role.WRITE), scope="function")
_Administering = Depends(_admission_of(Role.ADMIN), scope="function")


async def admit_listener(request: Request) -> Call:
    return await _admit(request, Role.READ)


async def require_all(call: Annotated[Call, _Administering]) -> Call:
    call.caller.must_reach_all()
    return call


ReadCall = Annotated[Call, _Reading]
WriteCall = Annotated[Call, _Writing]
AdminCall = Annotated[Call, Depends(require_all)]  # of an admin whose key reaches all collections
ListenCall = Annotated[Call, Depends(admit_listener)]  # of a reader, until its answer ends
