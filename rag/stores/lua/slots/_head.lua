-- Before every script of this folder. A replica has two keys, of which KEYS holds as many as a script needs.
--
-- {aegis}:slots:REPLICA  zset: who uses it, by the end of their slot by this server's clock
-- {aegis}:away:REPLICA   there, with a time to live, while the replica is better left alone

local clock = redis.call('TIME')
local now = tonumber(string.format('%d.%06d', clock[1], clock[2]))
local slack = 5

-- Take the slots that are over from ``slots``, and those that end later than they can, which are from
-- before the clock jumped back.
local function forget(slots, seconds)
  redis.call('ZREMRANGEBYSCORE', slots, '-inf', now)
  redis.call('ZREMRANGEBYSCORE', slots, now + seconds + slack, '+inf')
end

local function hold(slots, holder, seconds)
  redis.call('ZADD', slots, now + seconds, holder)
  redis.call('PEXPIRE', slots, math.ceil((seconds + slack) * 1000))
end
