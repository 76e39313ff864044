-- KEYS: collection [, job]; ARGV: name, document, version, chunks, record, generation, token or ''
if KEYS[2] then
  local at = redis.call('HMGET', KEYS[2], 'state', 'token')
  if at[1] ~= 'running' or at[2] ~= ARGV[7] then
    return 0
  end
end
local document, version, chunks = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
if outdated(document, version, ARGV[6]) then
  return 0
end
local _, present_chunks = seen(document)
redis.call('HSET', live, document, ARGV[3] .. ' ' .. ARGV[4])
redis.call('HSET', records, document, ARGV[5])
redis.call('ZADD', ids, 0, document)
given_out(document, version)
redis.call('HINCRBY', collection, 'chunks', chunks - (present_chunks or 0))
return 1
