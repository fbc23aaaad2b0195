-- Putting records back to the beginning. What this removes must not be the first write of a script: see need_memory.
local updaters_key = prefix .. 'workflowUpdaters_' .. id
local ACTIVE = { ['"inactive"'] = true, ['"queued"'] = true, ['"running"'] = true }

-- Whatever waits for, or counts, a record that is about to go. Returns its status, false without such a record.
local function detach_record(path)
  local old = redis.call('HMGET', task_key(path), 'status', 'tolerated', 'run', 'lane', 'later', 'updaters')
  if not old[1] then return false end
  if old[2] then redis.call('HINCRBY', state, 'tolerated', -1) end
  if old[1] == '"queued"' then leave_lane(path, old[3], old[4], old[5]) end
  if old[1] ~= '"inactive"' then
    redis.call('ZREM', timers, timer('lease', path), timer('timeout', path), timer('waiting', path),
      timer('retry', path), timer('failed', path))
  end
  if old[6] and old[6] ~= '[]' then redis.call('HDEL', updaters_key, path) end
  return old[1]
end
local function write_fresh(path, run)
  redis.call('HSET', task_key(path), 'status', '"inactive"', 'body', 'null', 'argument', 'null',
    'context', 'null', 'executionTime', 'null', 'updaters', '[]', 'run', run)
end
-- Without a run it stays that of the run it was of.
local function reset_record(path, run)
  local key = task_key(path)
  local old = redis.call('HMGET', key, 'status', 'attempt', 'logCount', 'run')
  if not old[1] then return end
  if (old[2] or not ACTIVE[old[1]]) then keep_attempt(path) end
  detach_record(path)
  redis.call('UNLINK', key)
  if old[3] then redis.call('UNLINK', log_key(path)) end
  move(old[1], '"inactive"')
  write_fresh(path, run or old[4])
end
