-- KEYS: one of {aegis}:jobs:STATE:KIND; ARGV: '', cursor or '', how many.
-- Put jobs from before there were lists into them; returns the cursor, false at the end.
local ids = redis.call('ZRANGE', KEYS[1], ARGV[2] == '' and '-' or '(' .. ARGV[2], '+', 'BYLEX', 'LIMIT', 0, ARGV[3])
for _, other in ipairs(ids) do
  local at = redis.call('HMGET', root .. 'job:' .. other, 'kind', 'collection', 'owner')
  if at[1] then
    list(other, unpack(at, 1, 3))
    list_about(other, root .. 'job:' .. other, at[2])
  end
end
return #ids == tonumber(ARGV[3]) and ids[#ids]
