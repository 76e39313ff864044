-- ARGV: name, document. Returns the record that was there, or false.
local document = ARGV[2]
local highest, present = redis.call('HGET', issued, document), seen(document)
if highest or present then
  redis.call('HSET', buried, document, math.max(tonumber(highest or 0), present or 0))
end
return present and hide(document) or false
