-- Before every script but those that bring records back: no marker, no answers.
if redis.call('EXISTS', '{aegis}:intact') == 0 then
  return redis.error_reply('AMNESIC Redis has lost its records; they are being rebuilt by the maintenance lane')
end

