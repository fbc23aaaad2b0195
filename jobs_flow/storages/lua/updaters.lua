-- number of the call, path, updaters as JSON, '1' if there are any. Returns 1, or 0 when the task is not ok.
local call, path, updaters, any = arg(), arg(), arg(), arg() == '1'
local run = redis.call('HGET', header, 'run')
local key = task_key(path)
if not run or redis.call('HGET', key, 'status') ~= '"ok"' then return 0 end
if repeated(key, call) then return 1 end
redis.call('HSET', key, 'updaters', any and updaters or '[]')
if any then
  redis.call('HSET', prefix .. 'workflowUpdaters_' .. id, path, updaters)
  redis.call('HSET', header, 'updaters', 'true')
else
  redis.call('HDEL', prefix .. 'workflowUpdaters_' .. id, path)
end
-- In place of a large value stands what is no JSON (bodies.Reference): whoever wants it reads the task.
local shown = string.byte(updaters) == 1 and 'null' or updaters
emit('{"run":' .. run .. ',"tasks":{' .. cjson.encode(path) .. ':{"updaters":' .. shown .. '}}}')
return 1
