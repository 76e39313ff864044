-- ARGV: name, model, dimension, created at, generation, floor, 1 when it was dropped, what is to be purged
-- What is here may be newer, or older by what a server lost in its last second.
local generation, newest = tonumber(ARGV[5]), tonumber(redis.call('HGET', root .. 'generations', name) or 0)
if generation < newest then
  return 0
end
if generation > newest or ARGV[7] == '1' then
  drop()
end
redis.call('HSET', root .. 'floors', name, math.max(floor(), tonumber(ARGV[6])))
if generation > newest and ARGV[7] ~= '1' then
  make(ARGV[5], ARGV[2], ARGV[3], ARGV[4])
end
redis.call('HSET', root .. 'generations', name, ARGV[5])
if ARGV[7] == '1' then
  to_purge_again(place_of(), ARGV[8])
end
return 1
