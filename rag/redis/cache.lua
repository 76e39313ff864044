-- Before every script of this file. ARGV[1] is the cache: embeddings or answers.
--
-- {aegis}:cache:entries  hash: CACHE:KEY -> bytes
-- {aegis}:cache:ends     zset: the same by the end of their time
-- {aegis}:cache:size     bytes of all entries, with what each takes beside its value
-- {aegis}:cache:figures  hash: CACHE:OUTCOME -> number of lookups
--
-- All but the figures expire together, a lifetime after the last entry was put.

local root = '{aegis}:cache:'
local entries, ends, size, figures = root .. 'entries', root .. 'ends', root .. 'size', root .. 'figures'
local beside = 350 -- bytes: the key, twice, and its places in both tables
local slack = 5
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000

local function counted(outcome, keys)
  if keys > 0 then
    redis.call('HINCRBY', figures, ARGV[1] .. ':' .. outcome, keys)
  end
end

-- Whether an entry's time is not over. An end that is further ahead than a lifetime is from before
-- the clock was set back.
local function lasts(key, lifetime)
  local left = (redis.call('ZSCORE', ends, key) or now) - now
  return left > 0 and left <= lifetime + slack
end

local function remove(key)
  local bytes = redis.call('HSTRLEN', entries, key)
  if redis.call('HDEL', entries, key) == 1 then
    redis.call('ZREM', ends, key)
    redis.call('DECRBY', size, bytes + beside)
  end
end
-- == get ==
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
-- == put ==
-- ARGV: cache, lifetime in seconds, bytes that all entries may take, key, value …
local lifetime, most = tonumber(ARGV[2]), tonumber(ARGV[3])
for i = 4, #ARGV, 2 do
  local key = ARGV[1] .. ':' .. ARGV[i]
  remove(key)
  redis.call('HSET', entries, key, ARGV[i + 1])
  redis.call('ZADD', ends, string.format('%.3f', now + lifetime), key)
  redis.call('INCRBY', size, #ARGV[i + 1] + beside)
end
for _, key in ipairs(redis.call('ZRANGE', ends, '-inf', now, 'BYSCORE', 'LIMIT', 0, 1000)) do
  remove(key)
end
while tonumber(redis.call('GET', size)) > most do
  remove(redis.call('ZRANGE', ends, 0, 0)[1])
end
for _, key in ipairs({ entries, ends, size }) do
  redis.call('PEXPIRE', key, string.format('%.0f', lifetime * 1000 + 1))
end
return 1
