-- number of the call, run, error as JSON. Returns 1 when the run was undone, else 0.
local call, run, reason = arg(), arg(), arg()
if redis.call('HGET', state, 'reverted') == call then return 1 end
local current = redis.call('HMGET', header, 'run', 'status')
if current[1] ~= run or current[2] ~= '"working"' then return 0 end
local queued = {}
for _, path in ipairs(cjson.decode(redis.call('HGET', tree, 'paths'))) do
  local record = redis.call('HMGET', task_key(path), 'run', 'status')
  if record[1] == run and record[2] == '"queued"' then
    queued[#queued + 1] = path
  elseif record[1] == run and record[2] ~= '"inactive"' then
    return 0
  end
end
for _, path in ipairs(queued) do
  redis.call('HSET', task_key(path), 'status', '"inactive"')
  redis.call('HDEL', task_key(path), 'queuedAt')
  move('"queued"', '"inactive"')
end
redis.call('HSET', header, 'status', '"inactive"', 'error', reason, 'updatedAt', int(now()))
redis.call('HSET', state, 'reverted', call)
emit('{"run":' .. run .. ',"reset":true}')
return 1
