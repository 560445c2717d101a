-- A token bucket as one number: when it would be full again (ms). KEYS: it. ARGV: ms a token, tokens of a full one.
-- -> ms to wait, 0 where one was taken
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local each, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local full = math.max(now, tonumber(redis.call('GET', KEYS[1]) or now))
local wait = full + each - now - each * most
if wait > 0 then return wait end
redis.call('SET', KEYS[1], string.format('%d', full + each), 'PX', full + each - now)
return 0
