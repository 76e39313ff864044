-- KEYS: the waiting jobs of each stage asked for. How many of them have a message that is not due yet.
local count = 0
for _, other in ipairs(redis.call('ZRANGE', root .. 'published', '(' .. now, '+inf', 'BYSCORE')) do
  for _, waiting in ipairs(KEYS) do
    if redis.call('ZSCORE', waiting, other) and not silent(other, 0) then
      count = count + 1
    end
  end
end
return count
