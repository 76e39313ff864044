-- ARGV: failures that open the circuit, seconds that it stays open at first.
-- Calls that were under way when it opened count no more.
local most, first = tonumber(ARGV[1]), tonumber(ARGV[2])
redis.call('HDEL', key, 'probe')
if left('opened', longest_open) == 0 then
  local failures = redis.call('HINCRBY', key, 'failures', 1)
  if failures >= most then
    set('opened', now + math.min(longest_open, first * 2 ^ math.min(failures - most, 10)))
  end
end
keep()
return 1
