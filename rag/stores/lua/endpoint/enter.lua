-- ARGV: 'urgent' or 'bulk', tokens, failures that open the circuit, seconds a probe may take.
-- Returns {'go', the time}, {'wait', seconds} or {'open', seconds}.
local urgency, tokens = ARGV[1], tonumber(ARGV[2])
local most, probe_seconds = tonumber(ARGV[3]), tonumber(ARGV[4])

local function reply(verdict, seconds)
  return { verdict, string.format('%.6f', seconds) }
end

local failing = number('failures') >= most
if failing then
  local closed_for = math.max(left('opened', longest_open), left('probe', probe_seconds))
  if closed_for > 0 then
    return reply('open', closed_for)
  end
end

catch_up()
local bucket = urgency == 'urgent' and 'urgent:' or 'all:'
local wait = left('paused', longest_pause)
for _, kind in ipairs(kinds) do
  local rate, level = number(kind), number(bucket .. kind)
  if rate > 0 and level < 1 then
    wait = math.max(wait, (1 - level) * 60 / rate)
  end
end
keep()
if wait > 0 then
  return reply('wait', wait)
end

-- Bulk calls pay for urgent ones too, so urgent calls wait only for each other.
local cost = { requests = 1, tokens = tokens }
for _, kind in ipairs(kinds) do
  set('flow:' .. kind, number('flow:' .. kind) + cost[kind])
  if number(kind) > 0 then
    set('all:' .. kind, number('all:' .. kind) - cost[kind])
    if urgency == 'urgent' then
      set('urgent:' .. kind, number('urgent:' .. kind) - cost[kind])
    end
  end
end
if failing then
  set('probe', now + probe_seconds)
end
return reply('go', now)
