-- ARGV: name, document
if redis.call('EXISTS', collection) == 0 then
  return false
end
local version = tonumber(redis.call('HGET', issued, ARGV[2]) or floor()) + 1
given_out(ARGV[2], version)
return version
