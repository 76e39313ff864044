-- KEYS: nothing of a job; ARGV: '', limit
local remains = root .. 'remains'
local found = {}
for _, other in ipairs(redis.call('ZRANGE', remains, '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[2])) do
  local record = record_of(root .. 'job:' .. other, other)
  if record then
    found[#found + 1] = record
  else
    redis.call('ZREM', remains, other)
  end
end
return found
