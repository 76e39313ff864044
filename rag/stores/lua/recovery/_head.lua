-- Before every script of this folder.
--
-- {aegis}:intact     run id of the server that the records were last brought in order on;
--                    without it, Redis has lost them
-- {aegis}:recovery   word of whoever brings them in order now; expires

local word = ARGV[1]
local function held()
  return redis.call('GET', KEYS[1]) == word
end
