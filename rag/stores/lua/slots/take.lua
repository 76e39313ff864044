-- Give ``holder`` a slot of the least used replica, the first of several. KEYS are slots and away of one
-- replica after the other. Returns {number of the replica from 1}, {0} when all others are full,
-- {-1, milliseconds until one may be used again} when all are avoided.
local holder, limit, seconds, longest_away = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local best, least, soonest
local full = false
for i = 1, #KEYS, 2 do
  forget(KEYS[i], seconds)
  if redis.call('ZSCORE', KEYS[i], holder) then -- its answer was lost on the way
    return { (i + 1) / 2 }
  end
  local left, used = redis.call('PTTL', KEYS[i + 1]), redis.call('ZCARD', KEYS[i])
  if left > 0 and left <= (longest_away + slack) * 1000 then
    soonest = math.min(soonest or left, left)
  elseif used >= limit then
    full = true
  elseif not least or used < least then
    best, least = i, used
  end
end
if best then
  hold(KEYS[best], holder, seconds)
  return { (best + 1) / 2 }
end
return full and { 0 } or { -1, soonest }
