"""Every readable format, broken in ways that any file can be broken."""

import random
from collections.abc import Callable, Mapping
from functools import partial

from rag.media import READABLE
from tests.documents import MAKERS

_SEED = 11


def _truncate(data: bytes, share: float) -> bytes:
    return data[: int(len(data) * share)]


def _flip(data: bytes, every: int) -> bytes:
    broken = bytearray(data)
    for position in range(len(data) // 8, len(data), every):
        broken[position] ^= 0x5A
    return bytes(broken)


def _overwrite(data: bytes, count: int) -> bytes:
    chosen, broken = random.Random(_SEED + count), bytearray(data)
    for _ in range(count):
        broken[chosen.randrange(len(broken))] = chosen.randrange(256)
    return bytes(broken)


def _zero(data: bytes) -> bytes:
    third = len(data) // 3
    return data[:third] + bytes(third) + data[2 * third :]


def _repeat_middle(data: bytes) -> bytes:
    third = len(data) // 3
    return data[:third] + data[third : 2 * third] * 50 + data[2 * third :]


def _reverse_middle(data: bytes) -> bytes:
    third = len(data) // 3
    return data[:third] + data[third : 2 * third][::-1] + data[2 * third :]


_NOISE = random.Random(_SEED).randbytes(20_000)

MUTATIONS: Mapping[str, Callable[[bytes], bytes]] = {
    "cut-early": partial(_truncate, share=0.1),
    "cut-half": partial(_truncate, share=0.5),
    "cut-late": partial(_truncate, share=0.97),
    "flipped-densely": partial(_flip, every=7),
    "flipped-thinly": partial(_flip, every=97),
    "overwritten": partial(_overwrite, count=60),
    "overwritten-thrice": partial(_overwrite, count=3),
    "zeroed": _zero,
    "repeated": _repeat_middle,
    "reversed": _reverse_middle,
    "behind-noise": lambda data: _NOISE[:900] + data,
    "before-noise": lambda data: data + _NOISE,
    "doubled": lambda data: data + data,
}

FILES: Mapping[str, Callable[[], bytes]] = {
    f"{name}.{READABLE[kind][0]}": lambda mutate=mutate, make=make: mutate(make())  # type: ignore[misc]
    for kind, make in MAKERS.items()
    for name, mutate in MUTATIONS.items()
}
