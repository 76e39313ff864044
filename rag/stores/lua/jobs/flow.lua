-- KEYS: nothing of a job [, idempotency]; ARGV: '', kind
-- Returns whether the key was used already, the open jobs, and those that ended within a minute.
local open, drained = flow(ARGV[2])
return { KEYS[2] and redis.call('EXISTS', KEYS[2]) or 0, open, drained }
