-- Takes from the allowance of a key (GCRA), as src/limit/gcra.rs does, by the clock of the store.
--
-- KEYS[1]  the key; its value is when all that was taken is paid for: "SECONDS NANOSECONDS"
-- ARGV     in nanoseconds: what one unit moves that time on by, what a whole burst does; of what is taken
--          the least and the most; what is given back before; the most that anybody may owe
-- returns  what was taken, and what the key owes after that
--
-- Numbers are doubles. What is owed is a difference to now, exact to the nanosecond up to 104 days (2^53 ns).
local unit, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local least, most = tonumber(ARGV[3]), tonumber(ARGV[4])
local back, bound = tonumber(ARGV[5]), tonumber(ARGV[6])
local time = redis.call('TIME')
local seconds, nanos = tonumber(time[1]), tonumber(time[2]) * 1000

local owed = 0
local known = redis.call('GET', KEYS[1])
if known then
  local s, n = string.match(known, '^(%d+) (%d+)$')
  if s then
    owed = math.max(0, (tonumber(s) - seconds) * 1e9 + (tonumber(n) - nanos))
  end
end
-- A clock that was set back must not keep anybody out for longer than a burst takes.
local before = owed
owed = math.max(0, math.min(owed, bound) - back)

local taken = math.min(most, math.floor((burst - owed) / unit) * unit)
if taken < least then
  taken = 0
end
owed = owed + taken
if owed ~= before then
  local at = nanos + owed
  local whole = math.floor(at / 1e9)
  local value = string.format('%d %d', seconds + whole, at - whole * 1e9)
  redis.call('SET', KEYS[1], value, 'PX', string.format('%d', math.floor(owed / 1e6) + 1))
end
return { taken, owed }
