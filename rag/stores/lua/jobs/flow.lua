-- KEYS: nothing of a job [, idempotency]; ARGV: '', kind, owner, most jobs of the kind, most of them that the owner
-- may have open; '' is none. Returns why accept would refuse such a job, or false.
local known = KEYS[2] and redis.call('EXISTS', KEYS[2]) == 1
return not known and no_room(ARGV[2], ARGV[3], ARGV[4], ARGV[5])
