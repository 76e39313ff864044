-- ARGV: cache, lifetime in seconds, lookups that failed before, key …
-- Returns the value under each key, or false.
local found, hits = {}, 0
for i = 4, #ARGV do
  local key = ARGV[1] .. ':' .. ARGV[i]
  local value = lasts(key, tonumber(ARGV[2])) and redis.call('HGET', entries, key)
  hits = hits + (value and 1 or 0)
  found[#found + 1] = value
end
counted('hit', hits)
counted('miss', #found - hits)
counted('failed', tonumber(ARGV[3]))
return found
