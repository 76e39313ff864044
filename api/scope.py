"""What the scope of a request has of ours, and under which names."""

CALLER = "aegis.caller"
"""Who calls, once the call was let in."""

REQUEST_ID = "aegis.request_id"

REFUSED = "aegis.refused"
"""That its key was not let in, whatever the answer."""

TURNED_AWAY = "aegis.turned_away"
"""Why it was refused before anybody looked at its key: a code of ``rag.origins``."""
