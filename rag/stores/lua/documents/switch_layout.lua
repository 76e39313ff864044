-- KEYS: collection [, job]; ARGV: name, generation, number, job or '', token or ''
-- Let the layout of this number serve, and keep the one that did. 0 when it is not there, or still being built
-- by another job.
local at = redis.call('HMGET', collection, 'generation', 'layout', 'model', 'dimension', 'built_by', unpack(SECOND))
local generation, serving, model, dimension, built_by, second = unpack(at, 1, 6)
if not allowed(ARGV[5]) or generation ~= ARGV[2] then
  return 0
end
if (serving or '0') == ARGV[3] then
  return 1
end
if second ~= ARGV[3] or (at[9] == 'building' and at[10] ~= ARGV[4]) then
  return 0
end
redis.call('HSET', collection, 'layout', second, 'model', at[7], 'dimension', at[8], 'built_by', at[10])
set_second(serving or 0, model, dimension, 'kept', built_by or '', now)
revise()
return 1
