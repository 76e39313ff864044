-- Before every script of this file. A replica has two keys, of which KEYS holds as many as a script needs.
--
-- {aegis}:slots:REPLICA  zset: holders, by the end of their slot by this server's clock
-- {aegis}:away:REPLICA   exists, with a time to live, while the replica is avoided

local clock = redis.call('TIME')
local now = tonumber(string.format('%d.%06d', clock[1], clock[2]))
local slack = 5

-- Remove the slots that have ended, and those that end later than possible, which are from
-- before the clock was set back.
local function forget(slots, seconds)
  redis.call('ZREMRANGEBYSCORE', slots, '-inf', now)
  redis.call('ZREMRANGEBYSCORE', slots, now + seconds + slack, '+inf')
end

local function hold(slots, holder, seconds)
  redis.call('ZADD', slots, now + seconds, holder)
  redis.call('PEXPIRE', slots, math.ceil((seconds + slack) * 1000))
end
-- == avoid ==
redis.call('SET', KEYS[1], 1, 'PX', ARGV[1])
return 1
-- == free ==
return redis.call('ZREM', KEYS[1], ARGV[1])
-- == renew ==
-- The slot of ARGV[1] in KEYS[1] lasts ARGV[2] seconds from now on, even if it was over.
hold(KEYS[1], ARGV[1], tonumber(ARGV[2]))
return 1
-- == take ==
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
