-- Header fields as pairs, the tree and its paths as JSON, and the paths. Returns the header, or false when the id is taken.
if redis.call('EXISTS', header) == 1 then return false end
local time = int(now())
redis.call('HSET', header, 'createdAt', time, 'updatedAt', time, unpack(arg_list()))
redis.call('HSET', tree, 'tree', arg(), 'paths', arg())
local paths = arg_list()
redis.call('HSET', state, 'count:inactive', #paths)
for _, path in ipairs(paths) do
  redis.call('HSET', task_key(path), 'status', '"inactive"', 'body', 'null', 'argument', 'null',
    'context', 'null', 'executionTime', 'null', 'updaters', '[]')
end
emit('{"run":0,"reset":true}')
return read_header()
