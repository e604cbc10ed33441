-- Stops the queue or lets it go on, if its state is known.
--   KEYS  ready, delayed, state
--   ARGV  paused (0 or 1)
--   reply 'ok'
if redis.call('EXISTS', KEYS[3]) == 1 then
  redis.call('HSET', KEYS[3], 'paused', ARGV[1])
end
return 'ok'
