-- ARGV: '', collection. How many of its ingestions are not over.
return redis.call('ZCARD', coming(ARGV[2]))
