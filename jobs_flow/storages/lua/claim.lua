-- path, run, token, worker, revision or '', lease, timeout or '', paths of the inputs. Returns {state, …}; see Storage.claim.
local path, run, token, worker, revision, lease, timeout = arg(), arg(), arg(), arg(), arg(), arg(), arg()
local current = redis.call('HMGET', header, 'run', 'revision', 'status', 'cancelled', 'paused', 'updaters')
local key = task_key(path)
local record = redis.call('HMGET', key, 'status', 'run', 'attempt', 'given', 'token', 'executionTime', 'retries',
  'retryAt', 'lane', 'publishedAt', 'waitTimeout', 'later', 'publishings', 'queuedAt')
if not current[1] or not record[1] then return { 'gone' } end
if current[1] ~= run or record[2] ~= run then return { 'stale' } end
if current[2] ~= revision then return { 'header', read_header() } end
if current[3] ~= '"working"' then return { 'halted' } end

local attempt, time = tonumber(record[3] or 0), record[6]
if record[1] == '"queued"' then
  if record[8] and record[8] ~= 'null' then return { 'early' } end
  if asked_to_stop(current[4], path) then return { 'cancelled' } end
  if current[5] == 'true' then return { 'paused' } end
  attempt, time = attempt + 1, int(now())
  redis.call('HSET', key, 'status', '"running"', 'executionTime', time, 'attempt', int(attempt),
    'token', token, 'worker', cjson.encode(worker))
  move('"queued"', '"running"')
  set_timer('lease', path, tonumber(lease))
  if timeout ~= '' then set_timer('timeout', path, tonumber(timeout)) end
  if record[11] then redis.call('ZREM', timers, timer('waiting', path)) end
  if record[9] then
    leave_lane(path, run, record[9], record[12])
    -- Of one that was published again nobody knows which message this was: it tells no more than the first would.
    local mark = tonumber(record[13] and record[14] or record[10])
    redis.call('ZADD', prefix .. 'workflowLanes', 'GT', int(math.min(mark, server_time())), record[9])
  end
  emit('{"run":' .. run .. ',"tasks":{' .. cjson.encode(path) .. ':{"status":"running","executionTime":' .. time ..
    ',"attempt":' .. int(attempt) .. '}}}')
elseif record[1] == '"inactive"' then
  return { 'early' }
elseif record[1] ~= '"running"' then
  return { 'ended' }
elseif record[5] ~= token then
  return { 'running' }
end -- else this very claim was granted before, and its answer was lost: answer again

local argument = false
if record[4] == 'true' then argument = redis.call('HGET', key, 'argument') end
local updaters = current[6] and redis.call('HGETALL', prefix .. 'workflowUpdaters_' .. id) or {}
return { 'granted', int(attempt), time, argument, read_inputs(arg_list()), record[7] or '0', updaters }
