-- ARGV: name, document
-- The next version of a document that is not there; 0 where one may be, seen or on its way; false without a collection.
local document = ARGV[2]
if redis.call('EXISTS', collection) == 0 then
  return false
end
local given, gone = redis.call('HGET', issued, document), redis.call('HGET', buried, document)
if seen(document) or tonumber(given or 0) > tonumber(gone or 0) then
  return 0
end
return next_version(document)
