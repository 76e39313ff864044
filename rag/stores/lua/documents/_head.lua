-- Before every script of this folder. KEYS[1] is the collection, ARGV[1] its name.
--
-- {aegis}:collections             set of names
-- {aegis}:generations             hash: name -> how often a collection of this name was made
-- {aegis}:floors                  hash: name -> highest version given out before it was dropped
-- {aegis}:reserved                hash: name -> highest generation that was reserved for a job
-- {aegis}:reservations            hash: NAME-GENERATION -> "JOB STATE": the job that has it in hand while it does not
--                                 serve; being filled, replaced, or spent, when nobody may use it any more
-- {aegis}:staged:JOB:NAME         the keys of a collection as below: what is to take its place
-- {aegis}:collection:NAME         hash: generation, model, dimension, created_at, chunks, highest, revision,
--                                 above (no version up to it is given out; of one that was restored),
--                                 layout (the number of the one that serves), built_by (its job), layouts (the
--                                 highest number given out), moves (how often a layout began, ended or changed
--                                 places), and of a second one second (its number), second_model,
--                                 second_dimension, second_state, second_job, second_since
-- {aegis}:collection:NAME:live    hash: document -> "version chunks", what searches see, or "version chunks confirmed":
--                                 versions older than confirmed were outdated by a later one of the same content
-- {aegis}:collection:NAME:records hash: document -> JSON
-- {aegis}:collection:NAME:ids     zset, all scores 0: documents by id
-- {aegis}:collection:NAME:owned   hash: document -> "bytes owner", of those that a key brought
-- {aegis}:collection:NAME:holdings hash: "documents OWNER" and "bytes OWNER" -> how many those are
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
local owned, holdings = collection .. ':owned', collection .. ':holdings'

local clock = redis.call('TIME')
local now = string.format('%d.%06d', clock[1], clock[2])

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

-- A version of a document above all that were given out.
local function next_version(document)
  local last, above = redis.call('HGET', issued, document) or floor(), redis.call('HGET', collection, 'above') or 0
  local version = math.max(tonumber(last), tonumber(above)) + 1
  given_out(document, version)
  return version
end

-- What searches see of the collection changes. A revision is at least the time in ms, so that none of
-- those that were lost with the server's last second, or with all its data, is ever given out again.
local function revise()
  local revision = tonumber(redis.call('HGET', collection, 'revision') or 0) + 1
  redis.call('HSET', collection, 'revision', string.format('%.0f', math.max(revision, math.floor(now * 1000))))
end

-- Version and chunks that searches see of a document, and which version has confirmed it or 0; or nil.
local function seen(document)
  local value = redis.call('HGET', live, document)
  if value then
    local version, chunks, confirmed = string.match(value, '^(%d+) (%d+) ?(%d*)$')
    return tonumber(version), tonumber(chunks), tonumber(confirmed) or 0
  end
end

-- What nobody has confirmed is written as versions of Aegis read it that know of no confirmation.
local function see(document, version, chunks, confirmed)
  local tail = tonumber(confirmed) > 0 and ' ' .. confirmed or ''
  redis.call('HSET', live, document, version .. ' ' .. chunks .. tail)
end

-- Whether a version can never be seen: its collection has gone, it was deleted, or a newer one is there,
-- or was and had the content of the one that is.
local function outdated(document, version, generation)
  if redis.call('HGET', collection, 'generation') ~= generation or version <= floor() then
    return true
  end
  local present, _, confirmed = seen(document)
  return version <= tonumber(redis.call('HGET', buried, document) or 0)
    or (present ~= nil and present ~= version and version < math.max(present, confirmed))
end

local SECOND = { 'second', 'second_model', 'second_dimension', 'second_state', 'second_job', 'second_since' }

-- {name, generation, model, dimension, created_at, chunks, revision, documents, layout, built_by, and of a second
-- layout or false: number, model, dimension, state, job, since}, or false.
local function row(key, of)
  local fields = redis.call('HMGET', key, 'generation', 'model', 'dimension', 'created_at', 'chunks', 'revision',
    'layout', 'built_by', unpack(SECOND))
  if not fields[1] then
    return false
  end
  local documents = redis.call('HLEN', key .. ':live')
  return { of, fields[1], fields[2], fields[3], fields[4], fields[5], fields[6] or 0, documents,
    fields[7] or 0, fields[8] or '', unpack(fields, 9, 8 + #SECOND) }
end

local function set_second(...)
  for place, value in ipairs({ ... }) do
    redis.call('HSET', collection, SECOND[place], value)
  end
  redis.call('HINCRBY', collection, 'moves', 1)
end

local function no_second()
  redis.call('HDEL', collection, unpack(SECOND))
  redis.call('HINCRBY', collection, 'moves', 1)
end

-- Whether ``numbers``, ',0,3,', names every layout that there is.
local function in_every_layout(numbers)
  local at = redis.call('HMGET', collection, 'layout', 'second')
  local function named(number)
    return string.find(numbers, ',' .. number .. ',', 1, true)
  end
  return named(at[1] or 0) and (not at[2] or named(at[2]))
end

-- Whether ``token`` is the newest one of the running job in KEYS[2]; without a job, whether anybody may.
local function allowed(token)
  local held = KEYS[2] and redis.call('HMGET', KEYS[2], 'state', 'token')
  return not held or (held[1] == 'running' and held[2] == token)
end

-- The next generation of a name: neither had nor reserved, and above ``least``.
local function next_generation(least)
  local had = redis.call('HGET', root .. 'generations', name)
  return math.max(tonumber(had or 0), tonumber(redis.call('HGET', root .. 'reserved', name) or 0), least) + 1
end

local reservations = root .. 'reservations'

-- The job that has a generation in hand, and how that is; nil where none has.
local function reserved(generation)
  return string.match(redis.call('HGET', reservations, name .. '-' .. generation) or '', '^(%S+) (%S+)$')
end

local function reserve(generation, job, state)
  redis.call('HSET', reservations, name .. '-' .. generation, job .. ' ' .. state)
end

-- Generations of the name that were replaced and not given up yet come into ``state``, in the hands of ``job`` or
-- of those that have them.
local function hold_replaced(state, job)
  local found = redis.call('HGETALL', reservations)
  for at = 1, #found, 2 do
    local of, holder = string.match(found[at], '^(.*)%-%d+$'), string.match(found[at + 1], '^(%S+) replaced$')
    if of == name and holder then
      redis.call('HSET', reservations, found[at], (job or holder) .. ' ' .. state)
    end
  end
end

-- Versions that are given out from here on are above ``version``.
local function go_above(version)
  local highest = tonumber(redis.call('HGET', collection, 'highest') or 0)
  redis.call('HSET', collection, 'above', version, 'highest', math.max(highest, version))
end

local function make(generation, model, dimension, created_at)
  redis.call('HSET', collection, 'generation', generation, 'model', model, 'dimension', dimension,
    'created_at', created_at, 'chunks', 0, 'highest', floor())
  revise()
  redis.call('SADD', root .. 'collections', name)
end

-- A document of ``size`` bytes is ``owner``'s from now on; '' is nobody.
local function own(document, size, owner)
  local bytes, former = string.match(redis.call('HGET', owned, document) or '', '^(%d+) (.*)$')
  if former then
    redis.call('HINCRBY', holdings, 'bytes ' .. former, -bytes)
    if redis.call('HINCRBY', holdings, 'documents ' .. former, -1) == 0 then
      redis.call('HDEL', holdings, 'documents ' .. former, 'bytes ' .. former)
    end
    redis.call('HDEL', owned, document)
  end
  if owner ~= '' then
    redis.call('HSET', owned, document, size .. ' ' .. owner)
    redis.call('HINCRBY', holdings, 'documents ' .. owner, 1)
    redis.call('HINCRBY', holdings, 'bytes ' .. owner, size)
  end
end

-- The floor outlives the collection, so that versions in its successor are above all of its own.
local function drop()
  local highest = redis.call('HGET', collection, 'highest')
  if highest then
    redis.call('HSET', root .. 'floors', name, highest)
    redis.call('UNLINK', collection, live, records, ids, issued, buried, owned, holdings)
    redis.call('SREM', root .. 'collections', name)
  end
end

-- Take a document that is seen out of sight; its record.
local function hide(document)
  local _, chunks = seen(document)
  local record = redis.call('HGET', records, document)
  own(document, 0, '')
  redis.call('HDEL', live, document)
  redis.call('HDEL', records, document)
  redis.call('ZREM', ids, document)
  redis.call('HINCRBY', collection, 'chunks', -chunks)
  revise()
  return record
end

local unpurged, since = root .. 'unpurged', root .. 'unpurged:since'

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
