-- KEYS: the waiting jobs of each stage asked for; ARGV: '', seconds without a message, limit
local before, limit, step = seconds - ARGV[2], tonumber(ARGV[3]), 500
local found = {}
for _, waiting in ipairs(KEYS) do
  local from, ids = 0, nil
  repeat
    ids = redis.call('ZRANGE', waiting, from, from + step - 1)
    for _, other in ipairs(ids) do
      if #found < limit and silent(other, before) then
        found[#found + 1] = record_of(root .. 'job:' .. other, other) or nil
      end
    end
    from = from + step
  until #ids < step or #found == limit
end
return found
