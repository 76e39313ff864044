-- KEYS: nothing of a job; ARGV: '', limit. Queued jobs whose message was never sent.
local found = {}
for _, other in ipairs(redis.call('ZRANGE', root .. 'published', 0, 0, 'BYSCORE', 'LIMIT', 0, ARGV[2])) do
  found[#found + 1] = record_of(root .. 'job:' .. other, other) or nil
end
return found
