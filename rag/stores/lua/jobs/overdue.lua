-- KEYS: nothing of a job; ARGV: '', queued before, limit
local before, limit = tonumber(ARGV[2]), tonumber(ARGV[3])
local found = {}

local function add(set, other)
  local record = record_of(root .. 'job:' .. other, other)
  if record then
    found[#found + 1] = record
  else
    redis.call('ZREM', set, other)
  end
end

local leases, published = root .. 'leases', root .. 'published'
for _, other in ipairs(redis.call('ZRANGE', leases, '-inf', now, 'BYSCORE')) do
  local sent = redis.call('ZSCORE', published, other)
  if #found < limit and (not sent or tonumber(sent) < before) then
    add(leases, other)
  end
end
for _, other in ipairs(redis.call('ZRANGE', published, '-inf', '(' .. ARGV[2], 'BYSCORE', 'LIMIT', 0, limit)) do
  if #found < limit and not redis.call('ZSCORE', leases, other) then
    add(published, other)
  end
end
return found
