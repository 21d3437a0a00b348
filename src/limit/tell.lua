-- Takes note of what a gateway used of a key's quota, and says what all of them did.
--
-- KEYS[1]  the key's day or month; a hash with a field for each gateway: "TAKEN GIVEN-BACK"
-- ARGV     the gateway, as two numbers; what it took and what it gave back, each since it began, which never
--          become less: to hear the same twice, or late, changes nothing; when the day or month is forgotten,
--          in milliseconds since 1970
-- returns  what all gateways used
local field = ARGV[1] .. '.' .. ARGV[2]
local function parts(value)
  local taken, back = string.match(value, '^(%d+) (%d+)$')
  return tonumber(taken) or 0, tonumber(back) or 0
end

local taken, back = tonumber(ARGV[3]), tonumber(ARGV[4])
local known = redis.call('HGET', KEYS[1], field)
if known then
  local t, b = parts(known)
  taken, back = math.max(taken, t), math.max(back, b)
end
redis.call('HSET', KEYS[1], field, string.format('%d %d', taken, back))
redis.call('PEXPIREAT', KEYS[1], ARGV[5])

local used = 0
for _, value in ipairs(redis.call('HVALS', KEYS[1])) do
  local t, b = parts(value)
  used = used + t - b
end
return math.max(used, 0)
