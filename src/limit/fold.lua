-- A gateway ends: what it told of a key goes to what all told that have ended, so that a day of many starts leaves no
-- field for each of them. The sums stay as they are, and gateways that know nothing of it read them as ever.
--
-- KEYS[1]  the key's day or month, as in tell.lua
-- ARGV     the gateway
local function parts(value)
  local n, t, b, et, eb = string.match(value or '', '^(%d+) (%d+) (%d+) (%d+) (%d+)$')
  return (tonumber(t) or 0) + (tonumber(et) or 0), (tonumber(b) or 0) + (tonumber(eb) or 0)
end

local own = redis.call('HGET', KEYS[1], ARGV[1])
if not own then
  return 0
end
local taken, back = parts(own)
local before, returned = parts(redis.call('HGET', KEYS[1], 'ended') or '')
redis.call('HSET', KEYS[1], 'ended', string.format('0 %d %d 0 0', before + taken, returned + back))
return redis.call('HDEL', KEYS[1], ARGV[1])
