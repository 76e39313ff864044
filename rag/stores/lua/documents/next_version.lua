-- ARGV: name, document
if redis.call('EXISTS', collection) == 0 then
  return false
end
local last, above = redis.call('HGET', issued, ARGV[2]) or floor(), redis.call('HGET', collection, 'above') or 0
local version = math.max(tonumber(last), tonumber(above)) + 1
given_out(ARGV[2], version)
return version
