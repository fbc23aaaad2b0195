-- number of the call, realm, header fields as pairs, the tree and its paths as JSON, and the paths.
-- Returns the header, or false when the id is taken.
local call, realm = arg(), arg()
if redis.call('EXISTS', header) == 1 then
  if redis.call('HGET', state, 'created') == call then return read_header() end
  return false
end
local time = int(now())
redis.call('HSET', header, 'createdAt', time, 'updatedAt', time, unpack(arg_list()))
redis.call('HSET', state, 'created', call)
-- In the order of creation, whatever the clock says.
local position = redis.call('INCR', prefix .. 'workflowsCreated')
redis.call('ZADD', prefix .. 'workflows', position, id)
redis.call('ZADD', prefix .. 'workflowsRealm_' .. realm, position, id)
redis.call('HSET', tree, 'tree', arg(), 'paths', arg())
local paths = arg_list()
redis.call('HSET', state, 'count:inactive', #paths)
for _, path in ipairs(paths) do
  redis.call('HSET', task_key(path), 'status', '"inactive"', 'body', 'null', 'argument', 'null',
    'context', 'null', 'executionTime', 'null', 'updaters', '[]', 'run', '0')
end
emit('{"run":0,"reset":true}')
return read_header()
