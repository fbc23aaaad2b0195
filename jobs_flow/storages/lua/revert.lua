-- number of the call, run, error as JSON. Returns 1 when the run was undone, else 0.
local call, run, reason = arg(), arg(), arg()
if redis.call('HGET', state, 'reverted') == call then return 1 end
local current = redis.call('HMGET', header, 'run', 'status', 'undo')
if current[1] ~= run or current[2] ~= '"working"' or current[3] == '"running"' then return 0 end
local queued = {}
for _, path in ipairs(cjson.decode(redis.call('HGET', tree, 'paths'))) do
  local record = redis.call('HMGET', task_key(path), 'run', 'status', 'lane', 'later', 'attempt')
  if record[1] == run and record[2] == '"queued"' and not record[5] then
    queued[#queued + 1] = { path, record[3], record[4] }
  elseif record[1] == run and record[2] ~= '"inactive"' then
    return 0
  end
end
need_memory()
for _, each in ipairs(queued) do
  local path = each[1]
  redis.call('HSET', task_key(path), 'status', '"inactive"')
  redis.call('HDEL', task_key(path), 'queuedAt', 'publishedAt', 'retryAt', 'later', 'publishings')
  leave_lane(path, run, each[2], each[3])
  redis.call('ZREM', timers, timer('waiting', path), timer('retry', path))
  move('"queued"', '"inactive"')
end
redis.call('HSET', header, 'status', '"inactive"', 'error', reason, 'updatedAt', int(now()))
redis.call('HSET', state, 'reverted', call)
emit('{"run":' .. run .. ',"reset":true}')
return 1
