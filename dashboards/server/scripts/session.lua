-- Puts a session; of too many, those that end first go.
-- KEYS: all sessions by their end, this one. ARGV: its hash, its end (epoch ms), now, most, body, what begins each key
local now = tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('SET', KEYS[2], ARGV[5], 'PX', math.max(1, tonumber(ARGV[2]) - now))
while redis.call('ZCARD', KEYS[1]) > tonumber(ARGV[4]) do
  redis.call('DEL', ARGV[6] .. redis.call('ZPOPMIN', KEYS[1])[1])
end
return 1
