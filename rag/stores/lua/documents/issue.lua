-- ARGV: name, document, version, generation. A version that was given out before the records were lost.
if redis.call('HGET', collection, 'generation') == ARGV[4] then
  given_out(ARGV[2], tonumber(ARGV[3]))
end
return 1
