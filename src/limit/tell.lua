-- Takes note of what a gateway used of a key's quota, and says what all of them did.
--
-- KEYS[1]  the key's day or month; a hash with a field for each gateway: "NUMBER TAKEN BACK TAKEN BACK", the
--          last two of what was counted under smaller numbers
-- ARGV     the gateway; the number of the time that it began to count the key; what it took and what it gave
--          back, each since then, which never become less: to hear the same twice, or late, changes nothing;
--          when the day or month is forgotten, in milliseconds since 1970
-- returns  what all other gateways took, and what they gave back; and what this one used
local field, number = ARGV[1], tonumber(ARGV[2])
local function parts(value)
  local n, t, b, et, eb = string.match(value, '^(%d+) (%d+) (%d+) (%d+) (%d+)$')
  return tonumber(n) or 0, tonumber(t) or 0, tonumber(b) or 0, tonumber(et) or 0, tonumber(eb) or 0
end

local n, taken, back, earlier, returned = parts(redis.call('HGET', KEYS[1], field) or '')
if number > n then
  -- A gateway begins anew with a key that it forgot, when all of that was told.
  n, earlier, returned, taken, back = number, earlier + taken, returned + back, 0, 0
end
if number == n then
  taken, back = math.max(taken, tonumber(ARGV[3])), math.max(back, tonumber(ARGV[4]))
end
local value = string.format('%d %d %d %d %d', n, taken, back, earlier, returned)
redis.call('HSET', KEYS[1], field, value)
redis.call('PEXPIREAT', KEYS[1], ARGV[5])

local others, given = 0, 0
local all = redis.call('HGETALL', KEYS[1])
for at = 1, #all, 2 do
  if all[at] ~= field then
    local _, t, b, et, eb = parts(all[at + 1])
    others, given = others + t + et, given + b + eb
  end
end
return { others, given, math.max(taken - back + earlier - returned, 0) }
