-- ARGV: name, generation, model, dimension, job, a job that is over or ''
-- Begin a second layout for the job, or let it have the one of this model that is there, unless another job
-- than that which is over builds it. Returns {1 when the job has it, row}, or false without the collection.
local at = redis.call('HMGET', collection, 'generation', unpack(SECOND))
local generation, second, model, dimension, state, owner = unpack(at, 1, 6)
if generation ~= ARGV[2] then
  return false
end
local free = state ~= 'building' or owner == ARGV[6]
if second and (model ~= ARGV[3] or dimension ~= ARGV[4] or not (free or owner == ARGV[5])) then
  return { 0, row(collection, name) }
end
if not second or owner ~= ARGV[5] then
  second = second or redis.call('HINCRBY', collection, 'layouts', 1)
  set_second(second, ARGV[3], ARGV[4], 'building', ARGV[5], now)
end
return { 1, row(collection, name) }
