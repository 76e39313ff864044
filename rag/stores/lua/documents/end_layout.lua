-- ARGV: name, generation, number. Give up a second layout; its points go when somebody looks.
local at = redis.call('HMGET', collection, 'generation', 'second')
if at[1] ~= ARGV[2] or at[2] ~= ARGV[3] then
  return 0
end
no_second()
return 1
