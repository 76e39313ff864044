-- KEYS: what is to take a collection's place; ARGV: name, seconds to keep it [, document, version, chunks, record,
-- which version has confirmed it or 0, bytes, owner or '']
if #ARGV > 2 then
  local document, version, chunks = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
  local _, present_chunks = seen(document)
  see(document, version, chunks, ARGV[7])
  redis.call('HSET', records, document, ARGV[6])
  redis.call('ZADD', ids, 0, document)
  own(document, ARGV[8], ARGV[9])
  given_out(document, version)
  redis.call('HINCRBY', collection, 'chunks', chunks - (present_chunks or 0))
else
  redis.call('UNLINK', collection, live, records, ids, issued, owned, holdings)
  redis.call('HSET', collection, 'chunks', 0, 'highest', 0)
end
for _, key in ipairs({ collection, live, records, ids, issued, owned, holdings }) do
  redis.call('EXPIRE', key, ARGV[2])
end
return 1
