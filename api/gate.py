"""The gate of every /v1 route: key, rate limit, role, query parameters.

One dependency that reads the request itself: each further one costs a request some 40 µs.
What it reads is told to OpenAPI by :mod:`api.openapi`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from api.access import ANYBODY, Caller
from api.parameters import refuse_unknown
from api.parts import Parts
from api.scope import CALLER, REFUSED
from rag.addresses import counted_as
from rag.errors import Unauthenticated
from rag.settings import Role

_READS = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was let in."""

    parts: Parts
    caller: Caller
    request: Request

    def collection(self, named: str | None) -> str:
        """The collection that is meant. Forbidden outside the caller's scope."""
        name = named or self.parts.settings.collection_name
        self.caller.must_reach(name)
        return name


def _of_role(role: Role) -> Callable[[Request], Awaitable[Call]]:
    async def gate(request: Request) -> Call:
        parts: Parts = request.app.state.parts
        caller = await _admitted(parts, request)
        request.scope[CALLER] = caller
        caller.must_be(role)
        await refuse_unknown(request)
        return Call(parts, caller, request)

    return gate


async def _admitted(parts: Parts, request: Request) -> Caller:
    """The caller, counted under its key's name; without a good key, under its address.

    Reads are counted apart, so that who looks how its jobs stand can still submit. Wrong keys count like
    submits whatever they ask for, and have a limit of their own too, which is there where no other is.
    """
    own = f"address:{counted_as(address_of(request))}"
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


def token_of(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def address_of(request: Request) -> str:
    """The client's address; behind a proxy, what uvicorn made of its headers."""
    return request.client.host if request.client and request.client.host else "local"


async def _all_reaching(call: Annotated[Call, Depends(_of_role(Role.ADMIN))]) -> Call:
    call.caller.must_reach_all()
    return call


ReadCall = Annotated[Call, Depends(_of_role(Role.READ))]
WriteCall = Annotated[Call, Depends(_of_role(Role.WRITE))]
AdminCall = Annotated[Call, Depends(_all_reaching)]
"""By an admin whose key reaches all collections."""
