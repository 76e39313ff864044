-- Before every script of this folder. KEYS[1] is the collection, ARGV[1] its name.
--
-- {aegis}:collections             set of names
-- {aegis}:generations             hash: name -> how often a collection of this name was made
-- {aegis}:floors                  hash: name -> highest version given out before it was dropped
-- {aegis}:collection:NAME         hash: generation, model, dimension, created_at, chunks, highest
-- {aegis}:collection:NAME:live    hash: document -> "version chunks", what searches see
-- {aegis}:collection:NAME:records hash: document -> JSON
-- {aegis}:collection:NAME:ids     zset, all scores 0: documents by id
-- {aegis}:collection:NAME:issued  hash: document -> highest version given out
-- {aegis}:collection:NAME:buried  hash: document -> highest version given out when it was deleted
-- {aegis}:unpurged                hash: NAME-GENERATION for a collection, NAME-GENERATION/DOCUMENT for a
--                                 document -> what was deleted and is in no job's hands: the id of the job
--                                 to be, and the document's records, in lines
-- {aegis}:unpurged:since          zset: the same by the time of the deletion

local root = '{aegis}:'
local collection, name = KEYS[1], ARGV[1]
local live, records, ids = collection .. ':live', collection .. ':records', collection .. ':ids'
local issued, buried = collection .. ':issued', collection .. ':buried'

local function floor()
  return tonumber(redis.call('HGET', root .. 'floors', name) or 0)
end

-- Note that ``version`` of a document is in use, so that later ones are above it.
local function given_out(document, version)
  if version > tonumber(redis.call('HGET', issued, document) or 0) then
    redis.call('HSET', issued, document, version)
  end
  if version > tonumber(redis.call('HGET', collection, 'highest')) then
    redis.call('HSET', collection, 'highest', version)
  end
end

-- Version and chunks that searches see of a document, or nil.
local function seen(document)
  local value = redis.call('HGET', live, document)
  if value then
    local version, chunks = string.match(value, '^(%d+) (%d+)$')
    return tonumber(version), tonumber(chunks)
  end
end

-- Whether a version can never be seen: its collection has gone, it was deleted, or a newer one is there.
local function outdated(document, version, generation)
  if redis.call('HGET', collection, 'generation') ~= generation or version <= floor() then
    return true
  end
  local present = seen(document)
  return version <= tonumber(redis.call('HGET', buried, document) or 0) or (present or 0) > version
end

-- {name, generation, model, dimension, created_at, chunks, documents}, or false.
local function row(key, of)
  local fields = redis.call('HMGET', key, 'generation', 'model', 'dimension', 'created_at', 'chunks')
  if not fields[1] then
    return false
  end
  return { of, fields[1], fields[2], fields[3], fields[4], fields[5], redis.call('HLEN', key .. ':live') }
end

local function make(generation, model, dimension, created_at)
  redis.call('HSET', collection, 'generation', generation, 'model', model, 'dimension', dimension,
    'created_at', created_at, 'chunks', 0, 'highest', floor())
  redis.call('SADD', root .. 'collections', name)
end

-- The floor outlives the collection, so that versions in its successor are above all of its own.
local function drop()
  local highest = redis.call('HGET', collection, 'highest')
  if highest then
    redis.call('HSET', root .. 'floors', name, highest)
    redis.call('UNLINK', collection, live, records, ids, issued, buried)
    redis.call('SREM', root .. 'collections', name)
  end
end

-- Take a document that is seen out of sight; its record.
local function hide(document)
  local _, chunks = seen(document)
  local record = redis.call('HGET', records, document)
  redis.call('HDEL', live, document)
  redis.call('HDEL', records, document)
  redis.call('ZREM', ids, document)
  redis.call('HINCRBY', collection, 'chunks', -chunks)
  return record
end

local unpurged, since = root .. 'unpurged', root .. 'unpurged:since'
local clock = redis.call('TIME')
local now = string.format('%d.%06d', clock[1], clock[2])

-- The place in ``unpurged`` of a document, or of the newest collection of the name; nil where there was none.
local function place_of(document)
  local generation = redis.call('HGET', root .. 'generations', name)
  if generation then
    return name .. '-' .. generation .. (document and '/' .. document or '')
  end
end

local function unpurged_at(place)
  return place and redis.call('HGET', unpurged, place) or false
end

-- ``lines``: as in ``unpurged``. What was to be purged there before is purged along.
local function to_purge(place, lines)
  local earlier = redis.call('HGET', unpurged, place)
  if earlier then
    lines = lines .. (string.match(earlier, '\n.*') or '')
  end
  redis.call('HSET', unpurged, place, lines)
  redis.call('ZADD', since, now, place)
end

-- A deletion that was known before the records were lost, unless its job is known too.
local function to_purge_again(place, lines)
  local job = string.match(lines, '^[^\n]+')
  if job and redis.call('EXISTS', root .. 'job:' .. job) == 0 and redis.call('HEXISTS', unpurged, place) == 0 then
    to_purge(place, lines)
  end
end

local function removal(place)
  local lines = unpurged_at(place)
  return lines and { place, lines }
end
