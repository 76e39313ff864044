"""``JobStore`` on Redis; every method that changes something is one script, so one step."""

from rag.stores.jobs.coming import Coming
from rag.stores.jobs.desk import Desk
from rag.stores.jobs.events import Events
from rag.stores.jobs.figures import Figures
from rag.stores.jobs.sweeping import Sweeping
from rag.stores.jobs.work import Work


class RedisJobStore(Desk, Work, Events, Sweeping, Figures, Coming):
    """Job records in a database of Redis; ``lua/jobs/_head.lua`` lists the keys.

    All times are the server's. A script whose answer was lost may run twice: the second
    run changes nothing and answers as the first one did.

    Artefacts of a job that succeeded go at once, of another when the time to keep its record is
    over. The events of a job that is over go after ten minutes, but for its end. Records are
    pruned, and go by themselves a week later if nobody does.
    """
