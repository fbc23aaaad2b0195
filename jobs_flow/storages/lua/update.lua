-- number of the call, revision, the workflow as JSON, header fields as pairs, the tree and its paths
-- as JSON, and the paths. Returns {'gone'}, {'working'}, {'revision'}, {'exists', id} or {'updated', header}.
local call, revision, workflow, fields = arg(), arg(), arg(), arg_list()
local described, listed, paths = arg(), arg(), arg_list()
local current = redis.call('HMGET', header, 'run', 'status', 'revision', 'key', 'workflow', 'realm')
if not current[1] then return { 'gone' } end
if redis.call('HGET', state, 'call:update') == call then return { 'updated', read_header() } end
if current[3] ~= revision then return { 'revision' } end

local before, added, kept = cjson.decode(redis.call('HGET', tree, 'paths')), {}, {}
for _, path in ipairs(paths) do kept[path] = true end
local missing, present = {}, {}
for _, path in ipairs(before) do
  present[path] = true
  if not kept[path] then missing[#missing + 1] = path end
end
for _, path in ipairs(paths) do if not present[path] then added[#added + 1] = path end end
if current[2] == '"working"' then
  for i = 1, math.max(#before, #paths) do if before[i] ~= paths[i] then return { 'working' } end end
end
-- The key stays, and is of the workflow and the realm.
local has_key = or_null(current[4]) ~= 'null' and current[5] ~= workflow
if has_key then
  local other = redis.call('HGET', prefix .. 'workflowKeys', workflow .. '\n' .. current[6] .. '\n' .. current[4])
  if other and other ~= id then return { 'exists', other } end
end

redis.call('HSET', state, 'call:update', call)
redis.call('HSET', header, 'revision', int(tonumber(revision) + 1), 'updatedAt', int(now()), unpack(fields))
redis.call('HSET', tree, 'tree', described, 'paths', listed)
if has_key then
  redis.call('HDEL', prefix .. 'workflowKeys', current[5] .. '\n' .. current[6] .. '\n' .. current[4])
  redis.call('HSET', prefix .. 'workflowKeys', workflow .. '\n' .. current[6] .. '\n' .. current[4], id)
end
for _, path in ipairs(missing) do
  local status = detach_record(path)
  move(status, nil)
  redis.call('UNLINK', task_key(path), log_key(path), attempts_key(path))
end
for _, path in ipairs(added) do
  write_fresh(path, '0')
  move(nil, '"inactive"')
end
emit('{"run":' .. current[1] .. ',"reset":true,"tree":true}')
return { 'updated', read_header() }
