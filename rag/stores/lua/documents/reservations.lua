-- KEYS: nothing of a collection. Returns NAME-GENERATION and job in turn.
return redis.call('HGETALL', root .. 'reservations')
