-- Takes from the allowance of a key (GCRA), as src/limit/gcra.rs does, by the clock of the store.
--
-- KEYS[1]  the key; its value is when all that was taken is paid for: "SECONDS NANOSECONDS", together. The seconds
--          are those of one second before it was written, so the rest says what was owed then, and a little more.
--          Older gateways read it as well; what they write has less than a second of nanoseconds
-- ARGV     in nanoseconds: what one unit moves that time on by, what a whole burst does; of what is taken
--          the least and the most; what is given back before; what somebody owes beyond this is forgiven
-- returns  what was taken, and what the key owes after that
--
-- Numbers are doubles. What is owed is a difference to now, exact to the nanosecond up to 104 days (2^53 ns).
local unit, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local least, most = tonumber(ARGV[3]), tonumber(ARGV[4])
local back, bound = tonumber(ARGV[5]), tonumber(ARGV[6])
local time = redis.call('TIME')
local seconds, nanos = tonumber(time[1]), tonumber(time[2]) * 1000

local owed, before = 0, 0
local known = redis.call('GET', KEYS[1])
if known then
  local s, n = string.match(known, '^(%d+) (%d+)$')
  if s then
    s, n = tonumber(s), tonumber(n)
    before = math.max(0, (s - seconds) * 1e9 + (n - nanos))
    owed = before
    if n >= 1e9 then
      -- A clock that was set back must not keep anybody out for longer than what it owed then.
      owed = math.min(owed, n - 1e9)
    end
  end
end
owed = math.max(0, math.min(owed, bound) - back)

local taken = math.min(most, math.floor((burst - owed) / unit) * unit)
if taken < least then
  taken = 0
end
owed = owed + taken
if owed ~= before then
  local value = string.format('%d %d', seconds - 1, 1e9 + nanos + owed)
  redis.call('SET', KEYS[1], value, 'PX', string.format('%d', math.floor(owed / 1e6) + 1))
end
return { taken, owed }
