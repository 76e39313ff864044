-- KEYS: nothing of a job; ARGV: '', seconds without a message, limit
local before, limit, leases = seconds - ARGV[2], tonumber(ARGV[3]), root .. 'leases'
local found = {}
for _, other in ipairs(redis.call('ZRANGE', leases, 0, -1)) do
  local key = root .. 'job:' .. other
  if redis.call('EXISTS', key) == 0 then
    redis.call('ZREM', leases, other)
  elseif #found < limit and not leased(key, other) and silent(other, before) then
    found[#found + 1] = record_of(key, other)
  end
end
return found
