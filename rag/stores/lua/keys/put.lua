-- KEYS: the keys; ARGV: id, "REVISION JSON", the revision that it follows or 0, name, whether the key has it,
-- whether it closes the door, whether nobody's key asks for it, when it ends, most keys that have not ended, most keys
local id, record, after, name, holds = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
if revision_of(id) ~= after then
  -- a script whose answer was lost may run twice
  return redis.call('HGET', keys, id) == record and 'done' or 'changed'
end
if ARGV[7] == '1' and redis.call('EXISTS', demanded) == 1 then
  return 'demanded'
end
local holder = redis.call('HGET', names, name)
if holds == '1' and holder and holder ~= id then
  return 'taken'
end
if after == 0 then
  local lasting = redis.call('ZCOUNT', ends, '(' .. time(), '+inf')
  if lasting >= tonumber(ARGV[9]) or redis.call('HLEN', keys) >= tonumber(ARGV[10]) then
    return 'full'
  end
end
set(id, record, name, holds, ARGV[6], ARGV[8])
return 'done'
