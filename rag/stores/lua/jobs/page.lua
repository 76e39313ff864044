-- KEYS: the indexes to merge; ARGV: '', cursor or '', limit, how many to look at, how many bytes to read,
-- reason or '', ',STATE,STATE,' or '', ',KIND,' or '', as for within
-- Returns {records, cursor or false, bytes that are left, negative where the next record was too large}; a
-- page may be short when few jobs are of the kind asked for, or they are large. The first record is always read.
local cursor, limit, looks, room = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local reason, states, kinds = ARGV[6], ARGV[7], ARGV[8]
local ids = {}
for _, index in ipairs(KEYS) do
  local from = cursor == '' and '+' or '(' .. cursor
  for _, other in ipairs(redis.call('ZRANGE', index, from, '-', 'BYLEX', 'REV', 'LIMIT', 0, looks)) do
    ids[#ids + 1] = other
  end
end
table.sort(ids, function(a, b) return a > b end)

local function among(words, word)
  return words == '' or (word and string.find(words, ',' .. word .. ',', 1, true))
end

local function fits(key)
  local at = redis.call('HMGET', key, 'reason', 'state', 'kind')
  return (reason == '' or at[1] == reason) and among(states, at[2]) and among(kinds, at[3]) and within(key, 9)
end

local function size_of(key)
  local bytes = 1000
  for _, field in ipairs({ 'result', 'inputs', 'error' }) do
    bytes = bytes + redis.call('HSTRLEN', key, field)
  end
  return bytes
end

local records, last = {}, nil
for i = 1, math.min(#ids, looks - 1) do
  if #records == limit then
    break
  end
  local key = root .. 'job:' .. ids[i]
  if fits(key) then
    room = room - size_of(key)
    if room < 0 and #records > 0 then
      break
    end
    records[#records + 1] = record_of(key, ids[i])
  end
  last = i
end
return { records, last ~= nil and last < #ids and ids[last], room }
