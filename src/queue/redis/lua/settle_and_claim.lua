-- Ends a claim, writes what was counted, and takes the message whose turn it is then. Put after the
-- functions `settle` and `claim`, which are the scripts of these names.
--   KEYS  ready, delayed, state, rebuild, and the ready and delayed of the line being rebuilt
--   ARGV  the five of settle; now in ms, provisional next instant in ms
--   reply as claim's
local settled = settle({unpack(ARGV, 1, 5)})
if settled ~= 'yes' then
  return {settled}
end
return claim({ARGV[1], ARGV[6], ARGV[7]})
