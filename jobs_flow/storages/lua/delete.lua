-- number of the call, the run that it has to rest after or ''. Returns the last header, false for all but the call that deletes.
local call, rested = arg(), arg()
local tombstone = prefix .. 'workflowDeleted_' .. id
local fields = redis.call('HMGET', header, 'run', 'realm', 'key', 'workflow', 'status', 'undo')
if not fields[1] then
  -- The answer again, where it was lost.
  local kept = redis.call('GET', tombstone)
  if kept and string.sub(kept, 1, #call) == call then return cmsgpack.unpack(string.sub(kept, #call + 1)) end
  return false
end
local over = fields[5] ~= '"working"' and fields[5] ~= '"inactive"' and fields[6] ~= '"wanted"' and fields[6] ~= '"running"'
if rested ~= '' and (fields[1] ~= rested or not over) then return false end
local last = read_header()
local paths = cjson.decode(redis.call('HGET', tree, 'paths'))
-- First what only removes: a server without memory lets the rest through then.
redis.call('UNLINK', tree, prefix .. 'workflowUpdaters_' .. id, prefix .. 'workflowStages_' .. id,
  prefix .. 'workflowUndo_' .. id)
for _, name in ipairs(redis.call('SMEMBERS', prefix .. 'workflowBodies_' .. id)) do
  redis.call('UNLINK', prefix .. 'workflowBody_' .. id .. '_' .. name)
end
redis.call('UNLINK', prefix .. 'workflowBodies_' .. id)
redis.call('ZREM', prefix .. 'workflows', id)
redis.call('ZREM', prefix .. 'workflowsRealm_' .. cjson.decode(fields[2]), id)
if or_null(fields[3]) ~= 'null' then
  local key = fields[4] .. '\n' .. fields[2] .. '\n' .. fields[3]
  if redis.call('HGET', prefix .. 'workflowKeys', key) == id then redis.call('HDEL', prefix .. 'workflowKeys', key) end
end
for _, path in ipairs(paths) do
  detach_record(path)
  redis.call('UNLINK', task_key(path), log_key(path), attempts_key(path))
end
stop_end_timers()
local ends = { timer('undo', '#') }
for run = math.max(1, tonumber(fields[1]) - 20), tonumber(fields[1]) do
  for _, status in ipairs({ 'done', 'failed', 'cancelled', 'inactive' }) do
    ends[#ends + 1] = timer('ended', '#', int(run) .. ' ' .. status)
  end
end
redis.call('ZREM', timers, unpack(ends))
emit('{"deleted":true}')
redis.call('UNLINK', header, state)
redis.call('XTRIM', stream, 'MAXLEN', 1)
redis.call('PEXPIRE', stream, TOMBSTONE_KEPT)
redis.call('SET', tombstone, call .. cmsgpack.pack(last), 'PX', TOMBSTONE_KEPT)
return last
