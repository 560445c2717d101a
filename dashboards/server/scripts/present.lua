-- Who is on the boards. KEYS: hash process -> "ms names". ARGV: this process, its names, ms after which one is gone
-- -> {process, names, ...} of the others
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], ARGV[1], string.format('%d %s', now, ARGV[2]))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
local others = {}
local all = redis.call('HGETALL', KEYS[1])
for at = 1, #all, 2 do
  local heard, names = string.match(all[at + 1], '^(%d+) (.*)$')
  if not heard or now - heard > tonumber(ARGV[3]) then
    redis.call('HDEL', KEYS[1], all[at])
  elseif all[at] ~= ARGV[1] then
    others[#others + 1] = all[at]
    others[#others + 1] = names
  end
end
return others
