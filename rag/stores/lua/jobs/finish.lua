-- ARGV: id, token, state, seconds, result, error, and the three times of ``keep``; '' is none
local state, result, error = ARGV[3], ARGV[5], ARGV[6]
local step = ARGV[2] .. ':finish:' .. state
if repeated(step) then
  return 1
end
if not holds(ARGV[2]) then
  return 0
end
local at = redis.call('HMGET', job, 'kind', 'stage', 'attempts', 'error')
if state ~= 'succeeded' and error == '' then
  error = at[4] or '' -- the error of the attempt before
end
redis.call('HINCRBYFLOAT', job, 't:' .. at[2], ARGV[4])
redis.call('HSET', job, 'closed', step)
redis.call('HDEL', job, 'holder', 'error', 'emitted')
if state == 'dead' and error ~= '' then
  redis.call('HSET', job, 'reason', string.match(cjson.decode(error)['type'] or '', '[^:]*$'))
end
ended('running', state, at[1], at[2], { ARGV[7], ARGV[8], ARGV[9] })
state_event(state, at[2], at[3])
if result ~= '' then
  redis.call('HSET', job, 'result', result)
  event('result', 'null') -- the record has the result itself
end
if error ~= '' then
  redis.call('HSET', job, 'error', error)
  event('error', error)
end
all_told()
if state == 'succeeded' then
  redis.call('UNLINK', job .. ':artefacts')
end
return 1
