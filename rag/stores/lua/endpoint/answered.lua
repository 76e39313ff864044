-- ARGV: tokens that the call was admitted with, tokens that it took.
-- The server answers: raise the rates a little, by a quarter in a minute that uses them up.
is_back()
local used = { requests = 1, tokens = tonumber(ARGV[2]) }
for _, kind in ipairs(kinds) do
  local rate = number(kind)
  if rate > 0 then
    set(kind, rate + math.min(used[kind], rate) / 4)
  end
end
if number('tokens') > 0 then
  set('all:tokens', number('all:tokens') + ARGV[1] - ARGV[2])
end
keep()
return 1
