-- ARGV: id, token, lease in seconds, seconds after which it is extended no more
-- The time between two calls counts at most as much as a lease, so that a jump of the clock does no harm.
if not holds(ARGV[2]) then
  return 0
end
local lease = tonumber(ARGV[3])
local at = redis.call('HMGET', job, 'seen', 'held')
local passed = math.max(0, math.min(lease, seconds - (at[1] or now)))
local held = (at[2] or 0) + passed
if held > tonumber(ARGV[4]) then
  redis.call('ZADD', root .. 'leases', now, id)
  return 0
end
redis.call('HSET', job, 'lease', lease, 'seen', now, 'held', held)
redis.call('HDEL', job, 'lapsed')
redis.call('ZADD', root .. 'leases', seconds + lease, id)
return 1
