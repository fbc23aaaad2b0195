-- number of the call, expected run or '', revision or '', milliseconds to keep it or '', argument or '', paths, heads, how
-- they wait, joins as path and count in turn,
-- the later stages as JSON texts. Returns {'started', run, seq}, {'gone'}, {'working'}, {'revision'} or
-- {'run', the number it would get}.
local current = redis.call('HMGET', header, 'run', 'status', 'keep', 'revision')
if not current[1] then return { 'gone' } end
local call, expected, revision = arg(), arg(), arg()
local before = redis.call('HMGET', state, 'started', 'startRun', 'startSeq')
if before[1] == call then return { 'started', before[2] or current[1], before[3] } end
if current[2] == '"working"' then return { 'working' } end
local run = int(tonumber(current[1]) + 1)
if expected ~= '' and expected ~= run then return { 'run', run } end
if revision ~= '' and revision ~= current[4] then return { 'revision' } end
local keep, argument, paths, heads, waiting = arg(), arg(), arg_list(), arg_list(), read_waiting()
local joins, stages = arg_list(), arg_list()
local time = int(now())

need_memory()
for _, path in ipairs(paths) do reset_record(path, run) end
for _, path in ipairs(heads) do
  queue_as(waiting, path, run)
  if argument ~= '' then redis.call('HSET', task_key(path), 'argument', argument, 'given', 'true') end
  move('"inactive"', '"queued"')
end

-- Counters of an earlier run that was given up must not be counted down by this one.
for _, field in ipairs(redis.call('HKEYS', state)) do
  if string.sub(field, 1, 5) == 'join:' or string.sub(field, 1, 4) == 'bad:' then redis.call('HDEL', state, field) end
end
for i = 1, #joins, 2 do redis.call('HSET', state, 'join:' .. joins[i], joins[i + 1]) end
redis.call('HDEL', state, 'stage')
redis.call('UNLINK', prefix .. 'workflowStages_' .. id, prefix .. 'workflowUndo_' .. id)
if #stages > 0 then
  redis.call('HSET', state, 'stage', '0')
  for _, stage in ipairs(stages) do redis.call('RPUSH', prefix .. 'workflowStages_' .. id, stage) end
end

local over = #heads == 0
redis.call('HSET', header, 'run', run, 'status', over and '"done"' or '"working"', 'startedAt', time,
  'updatedAt', time, 'finishedAt', over and time or 'null', 'error', 'null')
redis.call('HDEL', header, 'cancelled', 'undo', 'paused')
if keep ~= '' then redis.call('HSET', header, 'keep', keep) elseif current[3] then redis.call('HDEL', header, 'keep') end
if current[2] ~= '"inactive"' then stop_end_timers() end
if over then set_end_timers(run, '"done"') end
local number = int(emit('{"run":' .. run .. ',"reset":true}'))
redis.call('HSET', state, 'started', call, 'startRun', run, 'startSeq', number)
return { 'started', run, number }
