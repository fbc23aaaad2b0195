-- path, run, token, worker, revision or '', paths of the inputs. Returns {state, …}; see Storage.claim.
local path, run, token, worker, revision = arg(), arg(), arg(), arg(), arg()
local current = redis.call('HMGET', header, 'run', 'revision', 'status')
local key = task_key(path)
local record = redis.call('HMGET', key, 'status', 'run', 'attempt', 'given', 'token', 'executionTime')
if not current[1] or not record[1] then return { 'gone' } end
if current[1] ~= run or record[2] ~= run then return { 'stale' } end
if current[2] ~= revision then return { 'header', read_header() } end
if current[3] ~= '"working"' then return { 'halted' } end

local attempt, time = tonumber(record[3] or 0), record[6]
if record[1] == '"queued"' then
  attempt, time = attempt + 1, int(now())
  redis.call('HSET', key, 'status', '"running"', 'executionTime', time, 'attempt', int(attempt),
    'token', token, 'worker', cjson.encode(worker))
  move('"queued"', '"running"')
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
return { 'granted', int(attempt), time, argument, read_inputs(arg_list()) }
