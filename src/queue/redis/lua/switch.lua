-- Puts the rebuilt line in the place of the one in use.
--   KEYS  ready, delayed, state, rebuild, and the ready and delayed of the line being rebuilt
--   ARGV  epoch, whether only a lost state may be replaced (0 or 1), token, pace, next instant in ms or ''
--   reply 1, or 0 if the rebuild is over or who asks has no say
local epoch = redis.call('HGET', KEYS[3], 'epoch')
if epoch and (ARGV[2] == '1' or tonumber(epoch) > tonumber(ARGV[1])) then
  return 0
end
local rebuild = redis.call('HMGET', KEYS[4], 'token', 'ranks')
if rebuild[1] ~= ARGV[3] then
  return 0
end
redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
for i = 1, 2 do
  if redis.call('EXISTS', KEYS[i + 4]) == 1 then
    redis.call('RENAME', KEYS[i + 4], KEYS[i])
  end
end
redis.call('HSET', KEYS[3], 'epoch', ARGV[1], 'pace', ARGV[4], 'ranks', rebuild[2] or '0')
if ARGV[5] ~= '' then
  redis.call('HSET', KEYS[3], 'next_at', ARGV[5])
end
return 1
