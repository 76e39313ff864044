-- ARGV: name, document. Returns the record that was there, or false.
local document = ARGV[2]
local highest = redis.call('HGET', issued, document)
local present, chunks = seen(document)
if highest or present then
  redis.call('HSET', buried, document, math.max(tonumber(highest or 0), present or 0))
end
if not present then
  return false
end
local record = redis.call('HGET', records, document)
redis.call('HDEL', live, document)
redis.call('HDEL', records, document)
redis.call('ZREM', ids, document)
redis.call('HINCRBY', collection, 'chunks', -chunks)
return record
