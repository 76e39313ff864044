-- KEYS: nothing of a collection; ARGV: '', seconds since the deletion, limit. Returns {place, lines} of each.
-- A time that lies ahead is from before the clock jumped back.
local found = {}
for _, range in ipairs({ { '-inf', now - ARGV[2] }, { now + 5, '+inf' } }) do
  local places = redis.call('ZRANGE', since, range[1], range[2], 'BYSCORE', 'LIMIT', 0, ARGV[3])
  for _, place in ipairs(places) do
    found[#found + 1] = removal(place)
  end
end
return found
