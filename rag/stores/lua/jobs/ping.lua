-- Whether the records are there.
return 1
