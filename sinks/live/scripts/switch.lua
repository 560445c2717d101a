-- A build that is whole takes the place of the one before it. KEYS as ever, of the new build.
-- ARGV: generation, identity, format, channel, build's own token, key of the builder's lock, lineage
-- -> {verdict, generation before it or ''}
if redis.call('GET', ARGV[6]) ~= ARGV[5] then return {'not ours', ''} end
if not intact() then return {'damaged', ''} end
local before = redis.call('HGET', pointer, 'generation') or ''
for at = 2, #KEYS do redis.call('PERSIST', KEYS[at]) end
redis.call('DEL', pointer)
redis.call('HSET', pointer, 'generation', ARGV[1], 'identity', ARGV[2], 'format', ARGV[3], 'lineage', ARGV[7])
redis.call('DEL', ARGV[6])
redis.call('PUBLISH', ARGV[4], redis.call('HGET', meta, 'position'))
return {'switched', before}
