-- KEYS: collection [, job]; ARGV: name, document, version, generation, token or '', the later version that has its
-- content, record
-- Let no version come that was accepted before the later one. 0 when another version is seen, or the lease is lost.
local document, later = ARGV[2], tonumber(ARGV[6])
local present, chunks, confirmed = seen(document)
if not allowed(ARGV[5]) or redis.call('HGET', collection, 'generation') ~= ARGV[4] or present ~= tonumber(ARGV[3]) then
  return 0
end
if confirmed < later then
  see(document, present, chunks, later)
  redis.call('HSET', records, document, ARGV[7])
  given_out(document, later)
end
return 1
