-- KEYS: the keys; ARGV: seconds for which a key that has ended is kept, how many to forget at most. Their ids.
local before = string.format('(%.6f', time() - tonumber(ARGV[1]))
local found = redis.call('ZRANGE', ends, '-inf', before, 'BYSCORE', 'LIMIT', 0, ARGV[2])
for _, id in ipairs(found) do
  local name = cjson.decode(string.match(redis.call('HGET', keys, id), ' (.*)')).name
  if redis.call('HGET', names, name) == id then
    redis.call('HDEL', names, name)
  end
  redis.call('HDEL', keys, id)
  redis.call('HDEL', used, id)
  redis.call('ZREM', ends, id)
end
return found
