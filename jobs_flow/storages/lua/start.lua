-- expected run or '', argument or '', paths, heads, joins as path and count in turn.
-- Returns {'started', run, seq}, {'gone'}, {'working'} or {'run', the number it would get}.
local current = redis.call('HMGET', header, 'run', 'status')
if not current[1] then return { 'gone' } end
local run, expected = int(tonumber(current[1]) + 1), arg()
if current[2] == '"working"' then return { 'working' } end
if expected ~= '' and expected ~= run then return { 'run', run } end
local argument, paths, heads, joins = arg(), arg_list(), arg_list(), arg_list()
local time = int(now())

for _, path in ipairs(paths) do
  local key = task_key(path)
  local before = redis.call('HMGET', key, 'status', 'logCount', 'tolerated')
  local forgiven = tonumber(redis.call('HGET', state, 'forgiven:' .. path) or 0) + (before[3] and 1 or 0)
  if forgiven > 0 then
    redis.call('HINCRBY', state, 'tolerated', -forgiven)
    redis.call('HDEL', state, 'forgiven:' .. path)
  end
  redis.call('DEL', key)
  if before[2] then redis.call('DEL', log_key(path)) end
  move(before[1] or '"inactive"', '"inactive"')
  redis.call('HSET', key, 'status', '"inactive"', 'body', 'null', 'argument', 'null',
    'context', 'null', 'executionTime', 'null', 'updaters', '[]', 'run', run)
end
for _, path in ipairs(heads) do
  redis.call('HSET', task_key(path), 'status', '"queued"', 'queuedAt', time)
  if argument ~= '' then redis.call('HSET', task_key(path), 'argument', argument, 'given', 'true') end
  move('"inactive"', '"queued"')
end

-- Counters of an earlier run that was given up must not be counted down by this one.
for _, field in ipairs(redis.call('HKEYS', state)) do
  if string.sub(field, 1, 5) == 'join:' or string.sub(field, 1, 4) == 'bad:' then redis.call('HDEL', state, field) end
end
for i = 1, #joins, 2 do redis.call('HSET', state, 'join:' .. joins[i], joins[i + 1]) end

local over = #heads == 0
redis.call('HSET', header, 'run', run, 'status', over and '"done"' or '"working"', 'startedAt', time,
  'updatedAt', time, 'finishedAt', over and time or 'null', 'error', 'null')
return { 'started', run, int(emit('{"run":' .. run .. ',"reset":true}')) }
