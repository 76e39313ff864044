-- Before every script of this folder.
--
-- {aegis}:intact     run id of the server on which the records were last complete;
--                    without it, Redis has lost them
-- {aegis}:recovery   token of the process that rebuilds them now; expires

local token = ARGV[1]
local function held()
  return redis.call('GET', KEYS[1]) == token
end
