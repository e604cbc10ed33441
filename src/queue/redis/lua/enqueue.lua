-- Puts messages in line, also in one that is being rebuilt.
--   KEYS  ready, delayed, state, rebuild, and the ready and delayed of the line being rebuilt
--   ARGV  for each message: member, due in ms or ''
--   reply {pace} and, for each message, its position from 1, or 0 if its time has not come;
--         {} if the account's state is lost (the messages are in line all the same)
local state = redis.call('HMGET', KEYS[3], 'pace', 'claim')
local is_rebuilt = redis.call('EXISTS', KEYS[4]) == 1
local added, refilled = 0, 0
for i = 1, #ARGV, 2 do
  if ARGV[i] ~= state[2] then
    added = added + add(KEYS[1], KEYS[2], ARGV[i], ARGV[i + 1])
  end
  if is_rebuilt then
    refilled = refilled + add(KEYS[5], KEYS[6], ARGV[i], ARGV[i + 1])
  end
end
count(KEYS[4], refilled)
if not state[1] then
  return {}
end
count(KEYS[3], added)
local reply = {state[1]}
for i = 1, #ARGV, 2 do
  local ahead = redis.call('ZRANK', KEYS[1], ARGV[i])
  reply[#reply + 1] = ahead and tostring(ahead + 1) or '0'
end
return reply
