-- Takes messages out of line, in flight or not, also out of one that is being rebuilt.
--   KEYS  ready, delayed, state, rebuild, and the ready and delayed of the line being rebuilt
--   ARGV  members
--   reply 'ok'
local claim = redis.call('HGET', KEYS[3], 'claim')
local is_rebuilt = redis.call('EXISTS', KEYS[4]) == 1
local taken, untaken = 0, 0
for _, member in ipairs(ARGV) do
  taken = taken + take(KEYS[1], KEYS[2], member)
  if claim == member then
    redis.call('HDEL', KEYS[3], 'claim')
    taken = taken + weight(member)
  end
  if is_rebuilt then
    untaken = untaken + take(KEYS[5], KEYS[6], member)
  end
end
count(KEYS[4], -untaken)
if redis.call('HEXISTS', KEYS[3], 'pace') == 1 then
  count(KEYS[3], -taken)
end
return 'ok'
