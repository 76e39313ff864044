-- KEYS: nothing of a job, idempotency; ARGV: '', digest
return earlier_with(KEYS[2], ARGV[2])
