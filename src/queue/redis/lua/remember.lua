-- Writes the account's state over the one that is there, unless a lane of a higher epoch wrote that;
-- what is in flight goes back in line.
--   KEYS  ready, delayed, state, rebuild, and the ready and delayed of the line being rebuilt
--   ARGV  epoch, pace, next instant in ms or ''
--   reply 'ok'
local state = redis.call('HMGET', KEYS[3], 'epoch', 'claim')
if not state[1] or tonumber(state[1]) > tonumber(ARGV[1]) then
  return 'ok'
end
if state[2] then
  redis.call('ZADD', KEYS[1], string.sub(state[2], 1, 16), state[2])
end
redis.call('HDEL', KEYS[3], 'claim', 'next_at')
redis.call('HSET', KEYS[3], 'epoch', ARGV[1], 'pace', ARGV[2])
if ARGV[3] ~= '' then
  redis.call('HSET', KEYS[3], 'next_at', ARGV[3])
end
return 'ok'
