-- run, path, token, error as JSON or '', and the same with the path. Returns {recorded, more, finished or ''}.
local run, path, token, failure, reason = arg(), arg(), arg(), arg(), arg()
local current = redis.call('HMGET', header, 'run', 'status', 'undo')
local ending = token .. '\n' .. path
local before = redis.call('HMGET', state, 'undoEnd', 'undoMore', 'undoFinished', 'undoToken')
if not current[1] or current[1] ~= run then return { 0 } end
if before[1] == ending then return { 1, before[2], before[3] } end
if current[2] ~= '"working"' or current[3] ~= '"running"' then return { 0 } end
local list = prefix .. 'workflowUndo_' .. id
local key = task_key(path)
local record = redis.call('HMGET', key, 'undo', 'status')
if redis.call('LINDEX', list, 0) ~= path or record[1] ~= '"running"' or before[4] ~= token then return { 0 } end

local time = int(now())
local tasks = {}
if failure == '' then
  keep_attempt(path)
  redis.call('HSET', key, 'undo', '"ok"', 'status', '"cancelled"')
  move(record[2], '"cancelled"')
  tasks[1] = cjson.encode(path) .. ':{"undo":"ok","status":"cancelled"}'
else
  redis.call('HSET', key, 'undo', '"failed"', 'undoError', failure)
  tasks[1] = cjson.encode(path) .. ':{"undo":"failed"}'
end
redis.call('LPOP', list)
redis.call('HDEL', state, 'undoToken')
local more, finished, instance = '0', '', ''
if failure == '' and redis.call('EXISTS', list) == 1 then
  more = '1'
  set_timer('undo', '#', NOTICE_DELAY)
else
  for _, other in ipairs(redis.call('LRANGE', list, 0, -1)) do
    redis.call('HDEL', task_key(other), 'undo')
    tasks[#tasks + 1] = cjson.encode(other) .. ':{"undo":null}'
  end
  redis.call('UNLINK', list)
  redis.call('ZREM', timers, timer('undo', '#'))
  finished = failure == '' and '"cancelled"' or '"failed"'
  local undo = failure == '' and '"done"' or '"failed"'
  redis.call('HSET', header, 'status', finished, 'undo', undo, 'finishedAt', time, 'updatedAt', time)
  if reason ~= '' then redis.call('HSET', header, 'error', reason) end
  set_end_timers(run, finished)
  instance = ',"instance":{"status":' .. finished .. ',"finishedAt":' .. time .. ',"error":' .. redis.call('HGET', header, 'error') ..
    ',"undo":' .. undo .. '}'
end
redis.call('HSET', state, 'undoEnd', ending, 'undoMore', more, 'undoFinished', finished)
emit('{"run":' .. run .. ',"tasks":{' .. table.concat(tasks, ',') .. '}' .. instance .. '}')
return { 1, more, finished }
