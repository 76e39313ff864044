-- The slot of ARGV[1] in KEYS[1] lasts ARGV[2] seconds from now on, even if it was over.
hold(KEYS[1], ARGV[1], tonumber(ARGV[2]))
return 1
