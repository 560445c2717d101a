-- A stretch of the log, whole or not at all.
-- ARGV: generation, after, upto, most unresolved, most resolved, most gone, channel,
--       then for each transition: alert, n, seq, place, 'u' (unresolved) or 'r', body
-- -> {verdict, position, numbers (from 1) of the transitions that were new}
local generation, after, upto = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local most_unresolved, most_resolved, most_gone = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
if not current(generation) then return {'moved', 0, {}} end
local position = intact()
if not position then return {'damaged', 0, {}} end
-- Others write too, and an old copy of the data may have been loaded: never over a gap.
if position < after then return {'behind', position, {}} end

local let_go = 0
local function forget(alert, seq)
  redis.call('HDEL', body, alert)
  redis.call('ZREM', changed, alert)
  redis.call('ZREM', unresolved, alert)
  redis.call('ZREM', resolved, alert)
  redis.call('ZADD', gone, seq, alert)
  while redis.call('ZCARD', gone) > most_gone do
    redis.call('HDEL', ns, redis.call('ZPOPMIN', gone)[1])
  end
end

local fresh = {}
for at = 8, #ARGV, 6 do
  local alert, n, seq, place = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  if tonumber(n) > tonumber(redis.call('HGET', ns, alert) or 0) then
    fresh[#fresh + 1] = (at - 8) / 6 + 1
    redis.call('HSET', ns, alert, n)
    redis.call('HSET', body, alert, ARGV[at + 5])
    redis.call('ZREM', gone, alert)
    redis.call('ZADD', changed, seq, alert)
    if ARGV[at + 4] == 'u' then
      redis.call('ZREM', resolved, alert)
      redis.call('ZADD', unresolved, place, alert)
    else
      redis.call('ZREM', unresolved, alert)
      redis.call('ZADD', resolved, seq, alert)
    end
    while redis.call('ZCARD', unresolved) > most_unresolved do
      forget(redis.call('ZREVRANGE', unresolved, 0, 0)[1], seq)
      let_go = let_go + 1
    end
    while redis.call('ZCARD', resolved) > most_resolved do
      forget(redis.call('ZRANGE', resolved, 0, 0)[1], seq)
    end
  end
end
if let_go > 0 then redis.call('HINCRBY', meta, 'let_go', let_go) end
if tonumber(upto) > position then
  redis.call('HSET', meta, 'position', upto)
  position = tonumber(upto)
end
redis.call('PUBLISH', ARGV[7], position)
return {'applied', position, fresh}
