-- Writes the account's state, unless a lane of a higher epoch has; what is in flight goes back in line.
--   KEYS  ready, delayed, state
--   ARGV  epoch, paused (0 or 1), pace, next instant in ms or ''
--   reply 'ok'
local state = redis.call('HMGET', KEYS[3], 'epoch', 'claim')
if state[1] and tonumber(state[1]) > tonumber(ARGV[1]) then
  return 'ok'
end
if state[2] then
  redis.call('ZADD', KEYS[1], string.sub(state[2], 1, 16), state[2])
end
redis.call('DEL', KEYS[3])
redis.call('HSET', KEYS[3], 'epoch', ARGV[1], 'paused', ARGV[2], 'pace', ARGV[3])
if ARGV[4] ~= '' then
  redis.call('HSET', KEYS[3], 'next_at', ARGV[4])
end
return 'ok'
