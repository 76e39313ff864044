-- ARGV: id. Notes that the job has its entry in the journal. Returns 0 when the record is gone.
return redis.call('EXISTS', job) == 1 and redis.call('HSET', job, 'kept', 1) + 1 or 0
