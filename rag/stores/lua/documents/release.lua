-- ARGV: name, generation, job that has it in hand
local place = name .. '-' .. ARGV[2]
if redis.call('HGET', root .. 'reservations', place) == ARGV[3] then
  redis.call('HDEL', root .. 'reservations', place)
end
return 1
