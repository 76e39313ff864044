-- Before every script of this file. KEYS[1] is the collection, ARGV[1] its name.
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
--                                 versions older than confirmed are superseded by a later one of the same content
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
local function superseded(document, version, generation)
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
-- == begin_layout ==
-- ARGV: name, generation, model, dimension, job, a job that is over or ''
-- Begin a second layout for the job, or let it have the one of this model that is there, unless another job
-- than that which is over builds it. Returns {1 when the job has it, row}, or false without the collection.
local at = redis.call('HMGET', collection, 'generation', unpack(SECOND))
local generation, second, model, dimension, state, owner = unpack(at, 1, 6)
if generation ~= ARGV[2] then
  return false
end
local free = state ~= 'building' or owner == ARGV[6]
if second and (model ~= ARGV[3] or dimension ~= ARGV[4] or not (free or owner == ARGV[5])) then
  return { 0, row(collection, name) }
end
if not second or owner ~= ARGV[5] then
  second = second or redis.call('HINCRBY', collection, 'layouts', 1)
  set_second(second, ARGV[3], ARGV[4], 'building', ARGV[5], now)
end
return { 1, row(collection, name) }
-- == tombstone ==
-- ARGV: name, document
-- Returns {generation, version given out when it was deleted, what is still to be purged}, each or false.
return {
  redis.call('HGET', collection, 'generation'),
  redis.call('HGET', buried, ARGV[2]),
  unpurged_at(place_of(ARGV[2])),
}
-- == bury ==
-- ARGV: name, document, version, generation, what is to be purged. A deletion that was known before the records were lost.
if redis.call('HGET', collection, 'generation') == ARGV[4] then
  local document, version = ARGV[2], tonumber(ARGV[3])
  redis.call('HSET', buried, document, math.max(tonumber(redis.call('HGET', buried, document) or 0), version))
  given_out(document, version)
  local present = seen(document)
  if present and present <= version then
    hide(document)
  end
  to_purge_again(place_of(document), ARGV[5])
end
return 1
-- == claim ==
-- ARGV: name, document
-- The next version of a document that is not there; 0 where one may be, seen or on its way; false without a collection.
local document = ARGV[2]
if redis.call('EXISTS', collection) == 0 then
  return false
end
local given, gone = redis.call('HGET', issued, document), redis.call('HGET', buried, document)
if seen(document) or tonumber(given or 0) > tonumber(gone or 0) then
  return 0
end
return next_version(document)
-- == collection ==
-- ARGV: name
return row(collection, name)
-- == collections ==
-- KEYS: the set of names
local rows = {}
for _, of in ipairs(redis.call('SMEMBERS', root .. 'collections')) do
  rows[#rows + 1] = row(root .. 'collection:' .. of, of)
end
return rows
-- == confirm ==
-- KEYS: collection [, job]; ARGV: name, document, version, generation, token or '', the later version that has its
-- content, record
-- Let no version come that was accepted before the later one. 0 when another version is seen, or the lease is lost.
local document, later = ARGV[2], tonumber(ARGV[6])
local present, chunks, confirmed = seen(document)
if not allowed(ARGV[5]) or redis.call('HGET', collection, 'generation') ~= ARGV[4] or present ~= tonumber(ARGV[3]) then
  return 0
end
if confirmed < later then
  see(document, present, chunks, later)
  redis.call('HSET', records, document, ARGV[7])
  given_out(document, later)
end
return 1
-- == delete ==
-- ARGV: name, document, id of the job to be that purges it, the highest version that is deleted or '' for all
-- Returns {place, lines} of what is to be purged, or false; again, until a job has it. Of a document that nobody
-- has seen yet, and that somebody brings, that is the version which was given out.
local document, most = ARGV[2], tonumber(ARGV[4]) or math.huge
if redis.call('EXISTS', collection) == 0 then
  return false
end
local present, place = seen(document), place_of(document)
local highest = math.max(tonumber(redis.call('HGET', issued, document) or 0), present or 0)
local earlier = tonumber(redis.call('HGET', buried, document) or 0)
if highest > 0 then
  redis.call('HSET', buried, document, math.max(earlier, math.min(most, highest)))
end
if present and present <= most then
  to_purge(place, ARGV[3] .. '\n' .. hide(document))
elseif not present and most == math.huge and highest > earlier then
  to_purge(place, ARGV[3] .. '\n{"version":' .. string.format('%d', highest) .. '}')
end
return removal(place)
-- == drop_collection ==
-- ARGV: name, id of the job to be that purges it
-- Returns {place, lines} of what is to be purged, or false; again, until a job has it.
local place = place_of()
if redis.call('EXISTS', collection) == 1 then
  to_purge(place, ARGV[2])
  drop()
  hold_replaced('spent') -- nothing is to come out of it any more
end
return place and removal(place) or false
-- == end_layout ==
-- ARGV: name, generation, number. Give up a second layout; its points go when somebody looks.
local at = redis.call('HMGET', collection, 'generation', 'second')
if at[1] ~= ARGV[2] or at[2] ~= ARGV[3] then
  return 0
end
no_second()
return 1
-- == assign_purge ==
-- ARGV: name, place, id of the job that is recorded
if string.match(unpurged_at(ARGV[2]) or '', '^[^\n]*') == ARGV[3] then
  redis.call('HDEL', unpurged, ARGV[2])
  redis.call('ZREM', since, ARGV[2])
end
return 1
-- == get ==
-- ARGV: name, document
return redis.call('HGET', records, ARGV[2])
-- == get_both ==
-- ARGV: name, document. Returns {its record or false, the collection's row or false}.
return { redis.call('HGET', records, ARGV[2]), row(collection, name) }
-- == give_up ==
-- ARGV: name, generation, job that has it in hand
-- From here on nobody may let it serve. Returns 1, also when it is so already; 0 when the job has it no more.
local holder = reserved(ARGV[2])
if holder ~= ARGV[3] then
  return 0
end
reserve(ARGV[2], holder, 'spent')
return 1
-- == highest ==
-- ARGV: name. The highest version that was given out under it.
return math.max(floor(), tonumber(redis.call('HGET', collection, 'highest') or 0))
-- == holdings ==
-- KEYS: nothing of a collection; ARGV: '', owner. How many documents of all collections are the owner's, and their bytes.
local count, bytes = 0, 0
for _, of in ipairs(redis.call('SMEMBERS', root .. 'collections')) do
  local its = redis.call('HMGET', root .. 'collection:' .. of .. ':holdings', 'documents ' .. ARGV[2], 'bytes ' .. ARGV[2])
  count, bytes = count + (its[1] or 0), bytes + (its[2] or 0)
end
return { count, bytes }
-- == issue ==
-- ARGV: name, document, version, generation. A version that was given out before the records were lost.
if redis.call('HGET', collection, 'generation') == ARGV[4] then
  given_out(ARGV[2], tonumber(ARGV[3]))
end
return 1
-- == next_version ==
-- ARGV: name, document
if redis.call('EXISTS', collection) == 0 then
  return false
end
return next_version(ARGV[2])
-- == next_versions ==
-- ARGV: name, documents. The next version of each, in their order; false without a collection.
if redis.call('EXISTS', collection) == 0 then
  return false
end
local versions = {}
for i = 2, #ARGV do
  versions[i - 1] = next_version(ARGV[i])
end
return versions
-- == superseded ==
-- ARGV: name, document, version, generation
return superseded(ARGV[2], tonumber(ARGV[3]), ARGV[4]) and 1 or 0
-- == page ==
-- ARGV: name, cursor or '', limit. Returns the records of one more than the limit, where there are.
local from = ARGV[2] == '' and '-' or '(' .. ARGV[2]
local found = redis.call('ZRANGE', ids, from, '+', 'BYLEX', 'LIMIT', 0, tonumber(ARGV[3]) + 1)
if #found == 0 then
  return {}
end
return redis.call('HMGET', records, unpack(found))
-- == publish ==
-- KEYS: collection [, job]; ARGV: name, document, version, chunks, record, generation, token or '',
-- ',0,3,' for the layouts that its points were written to, or '' for a version that was published before, and which
-- version has confirmed it or 0, bytes, owner or ''
if not allowed(ARGV[7]) or (ARGV[8] ~= '' and not in_every_layout(ARGV[8])) then
  return 0
end
local document, version, chunks, confirmed = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[9])
if superseded(document, version, ARGV[6]) then
  return 0
end
local present, present_chunks, present_confirmed = seen(document)
if present == version and present_confirmed > confirmed then
  return 1 -- a later record of it is there
end
see(document, version, chunks, confirmed)
redis.call('HSET', records, document, ARGV[5])
redis.call('ZADD', ids, 0, document)
own(document, ARGV[10], ARGV[11])
given_out(document, version)
redis.call('HINCRBY', collection, 'chunks', chunks - (present_chunks or 0))
revise()
return 1
-- == put_collection ==
-- ARGV: name, model, dimension, most collections or ''. Returns {1 when new, row}, no row when there are too many.
if redis.call('EXISTS', collection) == 1 then
  return { 0, row(collection, name) }
end
if ARGV[4] ~= '' and redis.call('SCARD', root .. 'collections') >= tonumber(ARGV[4]) then
  return { 0, false }
end
local generation = next_generation(0)
redis.call('HSET', root .. 'generations', name, generation)
make(generation, ARGV[2], ARGV[3], now)
return { 1, row(collection, name) }
-- == release ==
-- ARGV: name, generation, job that has it in hand
local holder = reserved(ARGV[2])
if holder == ARGV[3] then
  redis.call('HDEL', reservations, name .. '-' .. ARGV[2])
end
return 1
-- == replace_collection ==
-- KEYS: collection, job, what is staged; ARGV: name, generation, token, job, model, dimension, created_at, version
-- Let what is staged take the collection's place. Versions given out are above ``version``, and above all that
-- were. The former generation, and what was replaced before it, come into the job's hands. Returns 1, also when it
-- is so already; 0 when the lease is lost, the generation was given up, nothing is staged, or a collection of this
-- name was made since the generation was reserved.
local generation, staged = ARGV[2], KEYS[3]
if redis.call('HGET', collection, 'generation') == generation then
  return 1
end
local newest = tonumber(redis.call('HGET', root .. 'generations', name) or 0)
local holder, state = reserved(generation)
if not allowed(ARGV[3]) or holder ~= ARGV[4] or state ~= 'filled' then
  return 0
end
if redis.call('EXISTS', staged) == 0 or newest >= tonumber(generation) then
  return 0
end
local former = redis.call('HMGET', collection, 'generation', 'highest', 'revision')
local above = math.max(floor(), tonumber(former[2] or 0), tonumber(ARGV[8]))
for _, part in ipairs({ '', ':live', ':records', ':ids', ':issued', ':buried', ':owned', ':holdings' }) do
  redis.call('UNLINK', collection .. part)
  if redis.call('EXISTS', staged .. part) == 1 then
    redis.call('RENAME', staged .. part, collection .. part)
    redis.call('PERSIST', collection .. part)
  end
end
redis.call('HSET', collection, 'generation', generation, 'model', ARGV[5], 'dimension', ARGV[6], 'created_at',
  ARGV[7], 'built_by', ARGV[4], 'moves', 1, 'revision', former[3] or 0)
go_above(above)
revise()
redis.call('SADD', root .. 'collections', name)
redis.call('HSET', root .. 'generations', name, generation)
redis.call('HDEL', root .. 'floors', name)
redis.call('HDEL', reservations, name .. '-' .. generation)
hold_replaced('replaced', ARGV[4])
if former[1] then
  reserve(former[1], ARGV[4], 'replaced')
end
return 1
-- == reservations ==
-- KEYS: nothing of a collection. Returns NAME-GENERATION, and job and state, in turn.
return redis.call('HGETALL', reservations)
-- == reserve ==
-- ARGV: name, job, the generation to be above. Returns the generation that the job has in hand.
local generation = next_generation(tonumber(ARGV[3]))
redis.call('HSET', root .. 'reserved', name, generation)
reserve(generation, ARGV[2], 'filled')
return generation
-- == restore_collection ==
-- ARGV: name, model, dimension, created at, generation, floor, 1 when it was dropped, what is to be purged,
-- layout, job that built it, highest number of a layout, moves, version that those given out are above, and the
-- six fields of a second layout or none
-- What is here may be newer, or older by what a server lost in its last second.
local generation, newest = tonumber(ARGV[5]), tonumber(redis.call('HGET', root .. 'generations', name) or 0)
if generation < newest then
  return 0
end
if generation > newest or ARGV[7] == '1' then
  drop()
end
local least = generation > newest and ARGV[7] ~= '1' and 0 or floor() -- what was restored has versions from before
redis.call('HSET', root .. 'floors', name, math.max(least, tonumber(ARGV[6])))
if generation > newest and ARGV[7] ~= '1' then
  make(ARGV[5], ARGV[2], ARGV[3], ARGV[4])
  go_above(tonumber(ARGV[13]))
end
redis.call('HSET', root .. 'generations', name, ARGV[5])
if ARGV[7] == '1' then
  to_purge_again(place_of(), ARGV[8])
elseif tonumber(ARGV[12]) > tonumber(redis.call('HGET', collection, 'moves') or 0) then
  no_second()
  if ARGV[14] then
    set_second(unpack(ARGV, 14))
  end
  redis.call('HSET', collection, 'model', ARGV[2], 'dimension', ARGV[3], 'layout', ARGV[9], 'built_by', ARGV[10],
    'layouts', ARGV[11], 'moves', ARGV[12])
  revise()
end
return 1
-- == stage ==
-- KEYS: what is to take a collection's place; ARGV: name, seconds to keep it [, document, version, chunks, record,
-- which version has confirmed it or 0, bytes, owner or '']
if #ARGV > 2 then
  local document, version, chunks = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
  local _, present_chunks = seen(document)
  see(document, version, chunks, ARGV[7])
  redis.call('HSET', records, document, ARGV[6])
  redis.call('ZADD', ids, 0, document)
  own(document, ARGV[8], ARGV[9])
  given_out(document, version)
  redis.call('HINCRBY', collection, 'chunks', chunks - (present_chunks or 0))
else
  redis.call('UNLINK', collection, live, records, ids, issued, owned, holdings)
  redis.call('HSET', collection, 'chunks', 0, 'highest', 0)
end
for _, key in ipairs({ collection, live, records, ids, issued, owned, holdings }) do
  redis.call('EXPIRE', key, ARGV[2])
end
return 1
-- == standing ==
-- ARGV: name. Returns {row or false, generation or false, floor, what is to be purged of that generation or false,
-- highest number of a layout given out or false, moves or false, version that those given out are above or false}.
return {
  row(collection, name),
  redis.call('HGET', root .. 'generations', name),
  floor(),
  unpurged_at(place_of()),
  redis.call('HGET', collection, 'layouts'),
  redis.call('HGET', collection, 'moves'),
  redis.call('HGET', collection, 'above'),
}
-- == reservation_superseded ==
-- ARGV: name, generation. Whether a collection of this name was made since the generation was reserved.
local newest = tonumber(redis.call('HGET', root .. 'generations', name) or 0)
return newest >= tonumber(ARGV[2]) and redis.call('HGET', collection, 'generation') ~= ARGV[2] and 1 or 0
-- == switch_layout ==
-- KEYS: collection [, job]; ARGV: name, generation, number, job or '', token or ''
-- Let the layout of this number serve, and keep the one that did. 0 when it is not there, or still being built
-- by another job.
local at = redis.call('HMGET', collection, 'generation', 'layout', 'model', 'dimension', 'built_by', unpack(SECOND))
local generation, serving, model, dimension, built_by, second = unpack(at, 1, 6)
if not allowed(ARGV[5]) or generation ~= ARGV[2] then
  return 0
end
if (serving or '0') == ARGV[3] then
  return 1
end
if second ~= ARGV[3] or (at[9] == 'building' and at[10] ~= ARGV[4]) then
  return 0
end
redis.call('HSET', collection, 'layout', second, 'model', at[7], 'dimension', at[8], 'built_by', at[10])
set_second(serving or 0, model, dimension, 'kept', built_by or '', now)
revise()
return 1
-- == unpurged ==
-- KEYS: nothing of a collection; ARGV: '', seconds since the deletion, limit. Returns {place, lines} of each.
-- A time that lies ahead is from before the clock jumped back.
local found = {}
for _, range in ipairs({ { '-inf', now - ARGV[2] }, { now + 5, '+inf' } }) do
  local places = redis.call('ZRANGE', since, range[1], range[2], 'BYSCORE', 'LIMIT', 0, ARGV[3])
  for _, place in ipairs(places) do
    found[#found + 1] = removal(place)
  end
end
return found
