-- ARGV: name, document, version, chunks, record, generation
local document, version, chunks = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
if redis.call('HGET', collection, 'generation') ~= ARGV[6] or version <= floor() then
  return 0
end
if version <= tonumber(redis.call('HGET', buried, document) or 0) then
  return 0
end
local present, present_chunks = seen(document)
if present and present > version then
  return 0
end
redis.call('HSET', live, document, ARGV[3] .. ' ' .. ARGV[4])
redis.call('HSET', records, document, ARGV[5])
redis.call('ZADD', ids, 0, document)
given_out(document, version)
redis.call('HINCRBY', collection, 'chunks', chunks - (present_chunks or 0))
return 1
