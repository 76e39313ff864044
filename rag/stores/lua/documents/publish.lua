-- KEYS: collection [, job]; ARGV: name, document, version, chunks, record, generation, token or '',
-- ',0,3,' for the layouts that its points were written to, or '' for a version that was published before, and which
-- version has confirmed it or 0, bytes, owner or ''
if not allowed(ARGV[7]) or (ARGV[8] ~= '' and not in_every_layout(ARGV[8])) then
  return 0
end
local document, version, chunks, confirmed = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[9])
if outdated(document, version, ARGV[6]) then
  return 0
end
local present, present_chunks, present_confirmed = seen(document)
if present == version and present_confirmed > confirmed then
  return 1 -- a later record of it is there
end
see(document, version, chunks, confirmed)
redis.call('HSET', records, document, ARGV[5])
redis.call('ZADD', ids, 0, document)
own(document, ARGV[10], ARGV[11])
given_out(document, version)
redis.call('HINCRBY', collection, 'chunks', chunks - (present_chunks or 0))
revise()
return 1
