-- Before every script of this folder. A replica has two keys, of which KEYS holds as many as a script needs.
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
