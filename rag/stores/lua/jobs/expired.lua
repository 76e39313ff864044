-- KEYS: nothing of a job; ARGV: '', limit
local deadlines, limit = root .. 'deadlines', tonumber(ARGV[2])
local found = {}
for _, other in ipairs(redis.call('ZRANGE', deadlines, '-inf', now, 'BYSCORE')) do
  local key = root .. 'job:' .. other
  local state = redis.call('HGET', key, 'state')
  if not state then
    redis.call('ZREM', deadlines, other)
  elseif state == 'queued' and #found < limit then
    found[#found + 1] = record_of(key, other)
  end
end
return found
