-- ARGV: when the call was admitted, seconds that the server asks to wait.
-- Pause all calls. Halve the limit, or the recent flow without a limit, once for all calls
-- that were admitted before it was last lowered.
is_back()
catch_up()
set('paused', now + math.max(left('paused', longest_pause), math.min(longest_pause, tonumber(ARGV[2]))))
if tonumber(ARGV[1]) > number('refused') or number('refused') > now then
  for _, kind in ipairs(kinds) do
    local rate = number(kind)
    set(kind, math.max(least[kind], (rate > 0 and rate or flow(kind)) / 2))
    set('all:' .. kind, 0)
    set('urgent:' .. kind, 0)
  end
  set('refused', now)
end
keep()
return 1
