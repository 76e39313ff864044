-- ARGV: name, document, version, generation, what is to be purged. A deletion that was known before the records were lost.
if redis.call('HGET', collection, 'generation') == ARGV[4] then
  local document, version = ARGV[2], tonumber(ARGV[3])
  redis.call('HSET', buried, document, math.max(tonumber(redis.call('HGET', buried, document) or 0), version))
  given_out(document, version)
  local present = seen(document)
  if present and present <= version then
    hide(document)
  end
  to_purge_again(place_of(document), ARGV[5])
end
return 1
