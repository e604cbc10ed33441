-- Takes the message whose turn it is.
--   KEYS  ready, delayed, state, rebuild, and the ready and delayed of the line being rebuilt
--   ARGV  epoch, now in ms, provisional next instant in ms
--   reply {'take', member, pace} | {'not_before', ms} | {'empty'} | {'forgotten'} | {'lost'}
local state = redis.call('HMGET', KEYS[3], 'epoch', 'next_at', 'claim', 'pace')
local epoch, now = tonumber(ARGV[1]), tonumber(ARGV[2])
if not state[1] then
  return {'forgotten'}
end
-- A lane of a higher epoch has the account.
if tonumber(state[1]) > epoch then
  return {'lost'}
end
if tonumber(state[1]) < epoch then
  redis.call('HSET', KEYS[3], 'epoch', ARGV[1])
end
-- An earlier reply was lost, or an earlier owner is gone: the same message again.
if state[3] then
  return {'take', state[3], state[4]}
end
-- Those whose time has come take their place by rank. A thousand at a time keep the script short;
-- were the best one behind them, it would only wait for the next claim.
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 1000)) do
  redis.call('ZREM', KEYS[2], member)
  redis.call('ZADD', KEYS[1], string.sub(member, 1, 16), member)
end
local first = redis.call('ZRANGE', KEYS[1], 0, 0)[1]
if not first then
  local due = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2]
  return due and {'not_before', due} or {'empty'}
end
if state[2] and tonumber(state[2]) > now then
  return {'not_before', state[2]}
end
redis.call('ZREM', KEYS[1], first)
redis.call('HSET', KEYS[3], 'claim', first, 'next_at', ARGV[3])
return {'take', first, state[4]}
