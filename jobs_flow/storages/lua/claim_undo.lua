-- run, token, worker, lease. Returns {'over'}, {'running'} or
-- {'granted', path, body or false, header, how often a lease ran out}.
local run, token, worker, lease = arg(), arg(), arg(), arg()
local current = redis.call('HMGET', header, 'run', 'status', 'undo')
if current[1] ~= run or current[2] ~= '"working"' or current[3] ~= '"running"' then return { 'over' } end
local path = redis.call('LINDEX', prefix .. 'workflowUndo_' .. id, 0)
if not path then return { 'over' } end
local key = task_key(path)
local record = redis.call('HMGET', key, 'undo', 'body')
local held = record[1] == '"running"'
local holder = redis.call('HMGET', state, 'undoToken', 'undoUntil')
if not held or holder[1] ~= token then
  -- Not the timer: whoever sees to it puts it off.
  if held and tonumber(holder[2] or 0) > server_time() then return { 'running' } end
  redis.call('HSET', key, 'undo', '"running"')
  redis.call('HSET', state, 'undoToken', token, 'undoUntil', int(server_time() + tonumber(lease)))
  if held then redis.call('HINCRBY', state, 'undoLosses', 1) else redis.call('HDEL', state, 'undoLosses') end
  set_timer('undo', '#', tonumber(lease))
  if not held then emit('{"run":' .. run .. ',"tasks":{' .. cjson.encode(path) .. ':{"undo":"running"}}}') end
end
return { 'granted', path, record[2], read_header(), redis.call('HGET', state, 'undoLosses') or '0' }
