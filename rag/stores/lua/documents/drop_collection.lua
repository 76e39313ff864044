-- ARGV: name. Returns the row that was there, or false.
local dropped = row(collection, name)
drop()
return dropped
