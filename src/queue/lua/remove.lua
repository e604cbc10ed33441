-- Takes messages out of line, in flight or not.
--   KEYS  ready, delayed, state
--   ARGV  members
--   reply 'ok'
for _, member in ipairs(ARGV) do
  redis.call('ZREM', KEYS[1], member)
  redis.call('ZREM', KEYS[2], member)
  if redis.call('HGET', KEYS[3], 'claim') == member then
    redis.call('HDEL', KEYS[3], 'claim')
  end
end
return 'ok'
