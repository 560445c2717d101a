-- -> {position (-1 where the state is not intact), alerts held, let go}
local position, held = intact()
return {position or -1, held, tonumber(redis.call('HGET', meta, 'let_go') or 0)}
