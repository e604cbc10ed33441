-- The queue at a glance.
--   KEYS  ready, delayed, state, rebuild, and the ready and delayed of the line being rebuilt
--   reply {ready, delayed, sum of ranks, pace, claim or ''}, or {} if the account's state is lost
local state = redis.call('HMGET', KEYS[3], 'ranks', 'pace', 'claim')
if not state[2] then
  return {}
end
return {
  tostring(redis.call('ZCARD', KEYS[1])), tostring(redis.call('ZCARD', KEYS[2])),
  state[1] or '0', state[2], state[3] or ''
}
