"""The format of all records in Redis: one number, because one script writes many of them.

``{aegis}:format`` has it; without the key it is 1. It grows when a version writes what the version before it
could not read. A version that finds a higher one than its own neither starts nor takes jobs.
"""

from redis import Redis

from rag.redis.connection import PREFIX, reaching_redis

FORMAT = 1
FORMAT_KEY = f"{PREFIX}format"


def note_format(client: Redis) -> None:
    """Write the format of the records, unless one is written."""
    with reaching_redis():
        client.set(FORMAT_KEY, FORMAT, nx=True)


def format_risk(client: Redis) -> str | None:
    """Why this version must not touch the records; None when it may. Unavailable when Redis is away."""
    with reaching_redis():
        written = client.get(FORMAT_KEY)
    found = FORMAT if written is None else int(bytes(written))  # type: ignore[arg-type]  # bytes, of a synchronous client
    if found <= FORMAT:
        return None
    return (
        f"the records in Redis have format {found}, and this version of Aegis reads format {FORMAT}: "
        "start the version that wrote them, or a later one"
    )
