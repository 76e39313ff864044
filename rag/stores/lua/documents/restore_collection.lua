-- ARGV: name, model, dimension, created at, generation, floor, 1 when it was dropped, what is to be purged,
-- layout, job that built it, highest number of a layout, moves, version that those given out are above, and the
-- six fields of a second layout or none
-- What is here may be newer, or older by what a server lost in its last second.
local generation, newest = tonumber(ARGV[5]), tonumber(redis.call('HGET', root .. 'generations', name) or 0)
if generation < newest then
  return 0
end
if generation > newest or ARGV[7] == '1' then
  drop()
end
local least = generation > newest and ARGV[7] ~= '1' and 0 or floor() -- what was restored has versions from before
redis.call('HSET', root .. 'floors', name, math.max(least, tonumber(ARGV[6])))
if generation > newest and ARGV[7] ~= '1' then
  make(ARGV[5], ARGV[2], ARGV[3], ARGV[4])
  go_above(tonumber(ARGV[13]))
end
redis.call('HSET', root .. 'generations', name, ARGV[5])
if ARGV[7] == '1' then
  to_purge_again(place_of(), ARGV[8])
elseif tonumber(ARGV[12]) > tonumber(redis.call('HGET', collection, 'moves') or 0) then
  no_second()
  if ARGV[14] then
    set_second(unpack(ARGV, 14))
  end
  redis.call('HSET', collection, 'model', ARGV[2], 'dimension', ARGV[3], 'layout', ARGV[9], 'built_by', ARGV[10],
    'layouts', ARGV[11], 'moves', ARGV[12])
  revise()
end
return 1
