-- ARGV: id, stage, lease in seconds, a word that only this call has, the worker or ''
return begun(ARGV[2], ARGV[3], ARGV[4], ARGV[5] .. ':')
