-- KEYS: the keys; ARGV: id, or '' to ask only whether keys are demanded
local id = ARGV[1]
local record = id ~= '' and redis.call('HGET', keys, id)
return { time(), current(), redis.call('EXISTS', demanded), record, record and redis.call('HGET', used, id) }
