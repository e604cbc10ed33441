-- What the other scripts share; put before each of them.
--   KEYS  ready, delayed, state, rebuild, and the ready and delayed of the line being rebuilt
--   reply none
local RANKS = 1000000007

local function weight(member)
  return tonumber(string.sub(member, 1, 16)) % RANKS
end

-- Adds a member to a line's two sets, unless it is there; `due` in ms or ''. Answers its weight, or 0.
local function add(ready, delayed, member, due)
  local is_new
  if due == '' then
    -- Mostly nothing is delayed, and Redis answers that at once.
    is_new = not redis.call('ZSCORE', delayed, member)
      and redis.call('ZADD', ready, 'NX', string.sub(member, 1, 16), member) == 1
  else
    is_new = not redis.call('ZSCORE', ready, member) and redis.call('ZADD', delayed, 'NX', due, member) == 1
  end
  return is_new and weight(member) or 0
end

-- Takes a member out of a line's two sets. Answers its weight, or 0.
local function take(ready, delayed, member)
  local was_there = redis.call('ZREM', ready, member) + redis.call('ZREM', delayed, member) > 0
  return was_there and weight(member) or 0
end

-- Adds to the sum of weights that the hash at `key` keeps.
local function count(key, weights)
  if weights ~= 0 then
    redis.call('HINCRBY', key, 'ranks', string.format('%.0f', weights))
  end
end
