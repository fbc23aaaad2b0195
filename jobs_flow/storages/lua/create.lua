-- number of the call, realm, the key's field or '', header fields as pairs, the tree and its paths as JSON, and the
-- paths. Returns {header}, or {false, id} of the instance that has the id or the key.
local call, realm, key = arg(), arg(), arg()
if redis.call('EXISTS', header) == 1 then
  if redis.call('HGET', state, 'created') == call then return { read_header() } end
  return { false, id }
end
if key ~= '' then
  local other = redis.call('HGET', prefix .. 'workflowKeys', key)
  if other then return { false, other } end
end
local time = int(now())
redis.call('HSET', header, 'createdAt', time, 'updatedAt', time, unpack(arg_list()))
redis.call('HSET', state, 'created', call)
-- What a deleted one of this id left behind.
redis.call('UNLINK', stream, prefix .. 'workflowDeleted_' .. id)
if key ~= '' then redis.call('HSET', prefix .. 'workflowKeys', key, id) end
-- In the order of creation, whatever the clock says; as microseconds, so that partitions on several servers can be
-- listed as one.
local created = redis.call('TIME')
local position = int(math.max(tonumber(created[1]) * 1000000 + tonumber(created[2]),
  tonumber(redis.call('GET', prefix .. 'workflowsCreated') or 0) + 1))
redis.call('SET', prefix .. 'workflowsCreated', position)
redis.call('ZADD', prefix .. 'workflows', position, id)
redis.call('ZADD', prefix .. 'workflowsRealm_' .. realm, position, id)
redis.call('HSET', tree, 'tree', arg(), 'paths', arg())
local paths = arg_list()
redis.call('HSET', state, 'count:inactive', #paths)
for _, path in ipairs(paths) do write_fresh(path, '0') end
emit('{"run":0,"reset":true}')
return { read_header() }
