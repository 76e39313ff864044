-- ARGV: name, generation, job that has it in hand
local holder = reserved(ARGV[2])
if holder == ARGV[3] then
  redis.call('HDEL', reservations, name .. '-' .. ARGV[2])
end
return 1
