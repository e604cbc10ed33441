-- The queue at a glance.
--   KEYS  ready, delayed, state
--   reply {ready, delayed, paused (0 or 1), pace, claim or ''}, or {} if the account's state is lost
local state = redis.call('HMGET', KEYS[3], 'paused', 'pace', 'claim')
if not state[2] then
  return {}
end
return {
  tostring(redis.call('ZCARD', KEYS[1])), tostring(redis.call('ZCARD', KEYS[2])),
  state[1], state[2], state[3] or ''
}
