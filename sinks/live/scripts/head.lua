-- Before each of the other scripts. KEYS: pointer, meta, n, body, unresolved, resolved, gone, changed.
-- A key that was evicted, deleted by hand or lost makes the counts disagree: then nothing of it is believed.
local pointer, meta, ns, body, unresolved, resolved, gone, changed = unpack(KEYS)

local function intact()
  local position = redis.call('HGET', meta, 'position')
  local held = redis.call('HLEN', body)
  if not position
    or held ~= redis.call('ZCARD', changed)
    or held ~= redis.call('ZCARD', unresolved) + redis.call('ZCARD', resolved)
    or held + redis.call('ZCARD', gone) ~= redis.call('HLEN', ns) then
    return nil, held
  end
  return tonumber(position), held
end

local function current(generation)
  return redis.call('HGET', pointer, 'generation') == generation
end
