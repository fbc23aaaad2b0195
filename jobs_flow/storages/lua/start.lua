-- number of the call, expected run or '', argument or '', paths, heads, joins as path and count in turn.
-- Returns {'started', run, seq}, {'gone'}, {'working'} or {'run', the number it would get}.
local current = redis.call('HMGET', header, 'run', 'status')
if not current[1] then return { 'gone' } end
local call, expected = arg(), arg()
local before = redis.call('HMGET', state, 'started', 'startSeq')
if before[1] == call then return { 'started', current[1], before[2] } end
if current[2] == '"working"' then return { 'working' } end
local run = int(tonumber(current[1]) + 1)
if expected ~= '' and expected ~= run then return { 'run', run } end
local argument, paths, heads, joins = arg(), arg_list(), arg_list(), arg_list()
local time = int(now())

for _, path in ipairs(paths) do
  local key = task_key(path)
  local old = redis.call('HMGET', key, 'status', 'logCount', 'tolerated')
  redis.call('DEL', key)
  if old[2] then redis.call('DEL', log_key(path)) end
  if old[3] then redis.call('HINCRBY', state, 'tolerated', -1) end
  move(old[1] or '"inactive"', '"inactive"')
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
local number = int(emit('{"run":' .. run .. ',"reset":true}'))
redis.call('HSET', state, 'started', call, 'startSeq', number)
return { 'started', run, number }
