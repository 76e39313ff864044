-- KEYS: the keys. Every record, and when each was used.
return { time(), redis.call('HGETALL', keys), redis.call('HGETALL', used) }
