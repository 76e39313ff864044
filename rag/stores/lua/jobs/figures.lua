-- KEYS: the waiting jobs of each stage; ARGV: '', how many dead letters to look at, kinds …
-- Returns {open jobs of each kind, seconds that the first of each stage has waited, {reason, count, …}}.
local open, waited, dead, reasons = {}, {}, {}, {}

for i = 3, #ARGV do
  open[#open + 1] = redis.call('ZCARD', root .. 'jobs:queued:' .. ARGV[i])
    + redis.call('ZCARD', root .. 'jobs:running:' .. ARGV[i])
end
for i, waiting in ipairs(KEYS) do
  local first = redis.call('ZRANGE', waiting, 0, 0, 'WITHSCORES')
  waited[i] = string.format('%.3f', first[2] and math.max(0, seconds - first[2]) or 0)
end

local newest = redis.call('ZRANGE', root .. 'dead', 0, ARGV[2] - 1, 'REV')
for _, other in ipairs(newest) do
  local reason = redis.call('HGET', root .. 'job:' .. other, 'reason') or 'unknown'
  dead[reason] = (dead[reason] or 0) + 1
end
local others = redis.call('ZCARD', root .. 'dead') - #newest
if others > 0 then
  dead['older'] = others
end
for reason, count in pairs(dead) do
  reasons[#reasons + 1] = reason
  reasons[#reasons + 1] = count
end
return { open, waited, reasons }
