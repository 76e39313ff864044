-- ARGV: name. Returns the row that was there, or false.
-- The floor outlives the collection, so that versions in its successor are above all of its own.
local dropped = row(collection, name)
if dropped then
  redis.call('HSET', root .. 'floors', name, redis.call('HGET', collection, 'highest'))
  redis.call('UNLINK', collection, live, records, ids, issued, buried)
  redis.call('SREM', root .. 'collections', name)
end
return dropped
