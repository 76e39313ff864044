-- Before every script of this folder. ARGV[1] is the cache: embeddings or answers.
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
