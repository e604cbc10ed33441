-- Ends a claim and writes what was counted.
--   KEYS  ready, delayed, state, rebuild, and the ready and delayed of the line being rebuilt
--   ARGV  epoch, member, pace, next instant in ms or '', whether the message goes back: 'no', when it is
--         due in ms, or '' for at once
--   reply 'yes' | 'forgotten' | 'lost'
local state = redis.call('HMGET', KEYS[3], 'epoch', 'claim')
if not state[1] then
  return 'forgotten'
end
if tonumber(state[1]) > tonumber(ARGV[1]) then
  return 'lost'
end
if state[2] ~= ARGV[2] then
  return 'forgotten'
end
redis.call('HDEL', KEYS[3], 'claim')
redis.call('HSET', KEYS[3], 'pace', ARGV[3])
if ARGV[4] == '' then
  redis.call('HDEL', KEYS[3], 'next_at')
else
  redis.call('HSET', KEYS[3], 'next_at', ARGV[4])
end
if ARGV[5] == 'no' then
  count(KEYS[3], -weight(ARGV[2]))
elseif ARGV[5] == '' then
  redis.call('ZADD', KEYS[1], string.sub(ARGV[2], 1, 16), ARGV[2])
else
  redis.call('ZADD', KEYS[2], ARGV[5], ARGV[2])
end
return 'yes'
