-- KEYS: the keys; ARGV: id, "REVISION JSON", name, whether the key has it, whether it closes the door, when it
-- ends. What is as new stays.
local id, record, name = ARGV[1], ARGV[2], ARGV[3]
if tonumber(string.match(record, '^%d+')) <= revision_of(id) then
  return 0
end
local holder = redis.call('HGET', names, name)
set(id, record, name, (not holder or holder == id) and ARGV[4] or '0', ARGV[5], ARGV[6])
return 1
