-- KEYS: collection [, job]; ARGV: name, document, version, chunks, record, generation, token or '',
-- and ',0,3,' for the layouts that its points were written to, or '' for a version that was published before
if not allowed(ARGV[7]) or (ARGV[8] ~= '' and not in_every_layout(ARGV[8])) then
  return 0
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
revise()
return 1
