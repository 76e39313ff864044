-- ARGV: name, document, version, generation. A deletion that was known before the records were lost.
if redis.call('HGET', collection, 'generation') == ARGV[4] then
  local document, version = ARGV[2], tonumber(ARGV[3])
  redis.call('HSET', buried, document, math.max(tonumber(redis.call('HGET', buried, document) or 0), version))
  given_out(document, version)
  local present = seen(document)
  if present and present <= version then
    hide(document)
  end
end
return 1
