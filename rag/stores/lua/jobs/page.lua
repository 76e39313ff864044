-- KEYS: the indexes to merge; ARGV: '', cursor or '', limit, how many to look at, reason or '', as for within
-- Returns {records, cursor or false}; a page may be short when few jobs are of the kind asked for.
local cursor, limit, looks, reason = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local ids = {}
for _, index in ipairs(KEYS) do
  local from = cursor == '' and '+' or '(' .. cursor
  for _, other in ipairs(redis.call('ZRANGE', index, from, '-', 'BYLEX', 'REV', 'LIMIT', 0, looks)) do
    ids[#ids + 1] = other
  end
end
table.sort(ids, function(a, b) return a > b end)

local records, last = {}, nil
for i = 1, math.min(#ids, looks - 1) do
  if #records == limit then
    break
  end
  last = i
  local key = root .. 'job:' .. ids[i]
  if within(key, 6) and (reason == '' or redis.call('HGET', key, 'reason') == reason) then
    local record = record_of(key, ids[i])
    if record then
      records[#records + 1] = record
    end
  end
end
return { records, last ~= nil and last < #ids and ids[last] }
