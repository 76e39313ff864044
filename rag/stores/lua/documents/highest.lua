-- ARGV: name. The highest version that was given out under it.
return math.max(floor(), tonumber(redis.call('HGET', collection, 'highest') or 0))
