-- Fills the line that is being rebuilt.
--   KEYS  ready, delayed, state, rebuild, and the ready and delayed of the line being rebuilt
--   ARGV  token, ms until it is over by itself; for each message: member, due in ms or ''
--   reply 1, or 0 if the rebuild is over
if redis.call('HGET', KEYS[4], 'token') ~= ARGV[1] then
  return 0
end
local refilled = 0
for i = 3, #ARGV, 2 do
  refilled = refilled + add(KEYS[5], KEYS[6], ARGV[i], ARGV[i + 1])
end
count(KEYS[4], refilled)
redis.call('PEXPIRE', KEYS[4], ARGV[2])
return 1
