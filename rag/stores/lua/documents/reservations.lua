-- KEYS: nothing of a collection. Returns NAME-GENERATION, and job and state, in turn.
return redis.call('HGETALL', reservations)
