-- Before every script of this file.
--
-- {aegis}:schedule  hash: entry of the schedule -> its record as JSON

-- == swap ==
-- KEYS: schedule; ARGV: entry, its record as it was read ('' is none), its record from here on
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
