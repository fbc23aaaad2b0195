-- number of the call, paths. Returns {'gone'}, {'working'}, {'nothing'} or {'begun', run, seq}.
local call, paths = arg(), arg_list()
local current = redis.call('HMGET', header, 'run', 'status', 'undo')
if not current[1] then return { 'gone' } end
local before = redis.call('HMGET', state, 'call:undo', 'undoRun', 'undoSeq')
if before[1] == call then return { 'begun', before[2], before[3] } end
if current[2] == '"working"' then return { 'working' } end

local done = {}
for place, path in ipairs(paths) do
  local record = redis.call('HMGET', task_key(path), 'status', 'finishedAt')
  if record[1] == '"ok"' then done[#done + 1] = { path, tonumber(record[2] or 0) or 0, place } end
end
if #done == 0 then
  if current[3] ~= '"done"' then
    redis.call('HSET', header, 'undo', '"done"', 'updatedAt', int(now()))
    emit('{"run":' .. current[1] .. ',"instance":{"undo":"done"}}')
  end
  return { 'nothing' }
end
-- The latest first; of those that ended together, the one that is named later.
table.sort(done, function(a, b) if a[2] ~= b[2] then return a[2] > b[2] end return a[3] > b[3] end)
local run, time, list = int(tonumber(current[1]) + 1), int(now()), prefix .. 'workflowUndo_' .. id
need_memory()
redis.call('UNLINK', list)
for _, each in ipairs(done) do
  redis.call('RPUSH', list, each[1])
  redis.call('HSET', task_key(each[1]), 'undo', '"queued"')
  redis.call('HDEL', task_key(each[1]), 'undoError')
end
redis.call('HSET', header, 'run', run, 'status', '"working"', 'undo', '"running"',
  'updatedAt', time, 'finishedAt', 'null')
stop_end_timers()
set_timer('undo', '#', NOTICE_DELAY)
local number = int(emit('{"run":' .. run .. ',"reset":true}'))
redis.call('HDEL', state, 'undoEnd', 'undoToken')
redis.call('HSET', state, 'call:undo', call, 'undoRun', run, 'undoSeq', number)
return { 'begun', run, number }
