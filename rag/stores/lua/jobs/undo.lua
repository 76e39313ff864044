-- ARGV: id. Removes a job that was promised to no caller, not even to one that repeated the submit.
local at = redis.call('HMGET', job, 'state', 'kind', 'stage', 'kept', 'idempotency', 'collection')
if at[1] ~= 'queued' or at[4] then
  return 0
end
unqueue(at[3])
redis.call('ZREM', root .. 'deadlines', id)
redis.call('ZREM', root .. 'jobs:queued:' .. at[2], id)
note_open(false, at[2])
unlist(id, lists_of(at[2], at[6], owner_of(job)))
unlist_about(id, at[6], document_of(job))
if at[5] and redis.call('HGET', at[5], 'job') == id then
  redis.call('UNLINK', at[5])
end
redis.call('UNLINK', job, job .. ':events', job .. ':artefacts')
return 1
