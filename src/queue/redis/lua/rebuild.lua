-- Begins to rebuild the line beside the one in use; an earlier rebuild is over.
--   KEYS  ready, delayed, state, rebuild, and the ready and delayed of the line being rebuilt
--   ARGV  epoch, whether only a lost state may be replaced (0 or 1), token, ms until it is over by itself
--   reply 1, or 0 if who asks has no say
local epoch = redis.call('HGET', KEYS[3], 'epoch')
if epoch and (ARGV[2] == '1' or tonumber(epoch) > tonumber(ARGV[1])) then
  return 0
end
if ARGV[2] == '1' and redis.call('EXISTS', KEYS[4]) == 1 then
  return 0
end
-- UNLINK, so that a line of a million does not hold up Redis.
redis.call('UNLINK', KEYS[4], KEYS[5], KEYS[6])
redis.call('HSET', KEYS[4], 'token', ARGV[3])
redis.call('PEXPIRE', KEYS[4], ARGV[4])
return 1
