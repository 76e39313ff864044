-- ARGV: id, token, error, seconds until the next attempt
local step = ARGV[2] .. ':requeue'
if repeated(step) then
  return 1
end
if not holds(ARGV[2]) then
  return 0
end
redis.call('HSET', job, 'error', ARGV[3])
local delay = math.min(tonumber(ARGV[4]), longest_delay)
return given_back(step, redis.call('HGET', job, 'attempts'), delay, ARGV[3])
