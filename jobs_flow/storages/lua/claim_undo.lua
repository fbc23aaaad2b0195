-- run, token, worker, lease. Returns {'over'}, {'running'} or {'granted', path, body or false, header}.
local run, token, worker, lease = arg(), arg(), arg(), arg()
local current = redis.call('HMGET', header, 'run', 'status', 'undo')
if current[1] ~= run or current[2] ~= '"working"' or current[3] ~= '"running"' then return { 'over' } end
local path = redis.call('LINDEX', prefix .. 'workflowUndo_' .. id, 0)
if not path then return { 'over' } end
local key = task_key(path)
local record = redis.call('HMGET', key, 'undo', 'body')
local held = record[1] == '"running"'
if not held or redis.call('HGET', state, 'undoToken') ~= token then
  if held and tonumber(redis.call('ZSCORE', timers, timer('undo', '#')) or 0) > server_time() then return { 'running' } end
  redis.call('HSET', key, 'undo', '"running"')
  redis.call('HSET', state, 'undoToken', token)
  set_timer('undo', '#', tonumber(lease))
  if not held then emit('{"run":' .. run .. ',"tasks":{' .. cjson.encode(path) .. ':{"undo":"running"}}}') end
end
return { 'granted', path, record[2], read_header() }
