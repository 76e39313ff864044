-- Before every script of this file.
--
-- {aegis}:intact     run id of the server on which the records were last complete;
--                    without it, Redis has lost them
-- {aegis}:recovery   token of the process that rebuilds them now; expires

local token = ARGV[1]
local function held()
  return redis.call('GET', KEYS[1]) == token
end
-- == conclude ==
-- KEYS: recovery, intact; ARGV: token, run id of the server
-- Not held any more: the records were lost again, or another process is rebuilding them.
if not held() then
  return 0
end
redis.call('SET', KEYS[2], ARGV[2])
redis.call('DEL', KEYS[1])
return 1
-- == release ==
-- KEYS: recovery; ARGV: token
return held() and redis.call('DEL', KEYS[1]) or 0
-- == renew ==
-- KEYS: recovery; ARGV: token, milliseconds
return held() and redis.call('PEXPIRE', KEYS[1], ARGV[2]) or 0
