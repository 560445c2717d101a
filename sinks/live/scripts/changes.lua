-- What changed after a position of the log, a page at a time; what was let go comes with the last page.
-- ARGV: generation, after, most alerts a page, the page's begin (as a score)
-- -> {verdict, position, held, let go, {body, ...}, {alert, n, ...}, begin of the next page or ''}
if not current(ARGV[1]) then return {'moved'} end
local position, held = intact()
if not position then return {'damaged'} end
local most = tonumber(ARGV[3])
local found = redis.call('ZRANGEBYSCORE', changed, '(' .. ARGV[4], '+inf', 'WITHSCORES', 'LIMIT', 0, most)
local names, following = {}, ''
for at = 1, #found, 2 do names[#names + 1] = found[at] end
if #names == most then following = found[#found] end
local bodies = {}
if #names > 0 then bodies = redis.call('HMGET', body, unpack(names)) end
local forgotten = {}
if following == '' then
  for _, alert in ipairs(redis.call('ZRANGEBYSCORE', gone, '(' .. ARGV[2], '+inf')) do
    forgotten[#forgotten + 1] = alert
    forgotten[#forgotten + 1] = redis.call('HGET', ns, alert)
  end
end
return {'ok', position, held, tonumber(redis.call('HGET', meta, 'let_go') or 0), bodies, forgotten, following}
