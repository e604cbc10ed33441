-- What the other scripts share; put before each of them.
--   KEYS  ready, delayed, state, rebuild, and the ready and delayed of the line being rebuilt
--   reply none
local RANKS = 1000000007

local function weight(member)
  return tonumber(string.sub(member, 1, 16)) % RANKS
end

-- Adds a member to a line's two sets, unless it is there; `due` in ms or ''. Answers its weight, or 0.
local function add(ready, delayed, member, due)
  if redis.call('ZSCORE', ready, member) or redis.call('ZSCORE', delayed, member) then
    return 0
  end
  if due == '' then
    redis.call('ZADD', ready, string.sub(member, 1, 16), member)
  else
    redis.call('ZADD', delayed, due, member)
  end
  return weight(member)
end

-- Takes a member out of a line's two sets. Answers its weight, or 0.
local function take(ready, delayed, member)
  local was_there = redis.call('ZREM', ready, member) + redis.call('ZREM', delayed, member) > 0
  return was_there and weight(member) or 0
end

-- Adds to the sum of ranks that the hash at `key` keeps.
local function count(key, ranks)
  if ranks ~= 0 then
    local sum = tonumber(redis.call('HGET', key, 'ranks') or '0')
    redis.call('HSET', key, 'ranks', string.format('%.0f', (sum + ranks) % RANKS))
  end
end
