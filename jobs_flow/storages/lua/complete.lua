-- number of the call, path, run, token or '', the outcome, and the flow after it. Returns {recorded, seq, finished or '', queued paths}.
-- The numbered steps are those of Storage.complete.
local call, path, run, token = arg(), arg(), arg(), arg()
local status, body, source, argument, context, updaters = arg(), arg(), arg(), arg(), arg(), arg()
local failure, traceback, tolerated = arg(), arg(), arg() == '1'
local logs, children, subtree, joins, following = arg_list(), arg_list(), arg_list(), arg_list(), arg()
local waiting_as = read_waiting()

local current = redis.call('HMGET', header, 'run', 'status')
local key = task_key(path)
local record = redis.call('HMGET', key, 'status', 'run', 'token', 'executionTime', 'lane', 'later', 'retryAt')
local stages = prefix .. 'workflowStages_' .. id

-- Paths that this outcome queued; sent again, only those that nobody has claimed since.
local queued = {}
if record[1] ~= '"running"' and record[2] == run and current[1] == run then
  local answer = redis.call('HMGET', key, 'endSeq', 'finished', 'queuedAfter', 'endCall')
  if answer[1] and (same_token(record[3], token) or answer[4] == call) then
    local after, candidates = answer[3], {}
    if after == 'children' then
      candidates = children
    elseif after == 'following' then
      candidates = { following }
    elseif after and after ~= '' then
      local heads = cjson.decode(redis.call('LINDEX', stages, after) or '[]')
      for i, head in ipairs(heads) do candidates[i] = head[1] end
    end
    for _, path_after in ipairs(candidates) do
      local next_record = redis.call('HMGET', task_key(path_after), 'status', 'run', 'retryAt')
      if next_record[1] == '"queued"' and next_record[2] == run and or_null(next_record[3]) == 'null' then
        queued[#queued + 1] = path_after
      end
    end
    return { 1, answer[1], answer[2] or '', queued }
  end
end
if current[1] ~= run or current[2] ~= '"working"' or record[2] ~= run then return { 0 } end
if token == '' then
  if record[1] ~= '"queued"' then return { 0 } end
elseif record[1] ~= '"running"' or not same_token(record[3], token) then
  return { 0 }
end

local time = now()
local ok = status == '"ok"'
local tasks = {}

-- 1. the record
local duration = 'null'
if record[4] and record[4] ~= 'null' then duration = int(time - tonumber(record[4])) end
-- Written at the end, in one command.
local fields = { 'status', status, 'body', or_null(body), 'source', or_null(source), 'finishedAt', int(time),
  'duration', duration, 'endCall', call }
local function write(field, value)
  fields[#fields + 1] = field
  fields[#fields + 1] = value
end
if status == '"failed"' then set_timer('failed', path, NOTICE_DELAY) end
if argument ~= '' then write('argument', argument) end
if context ~= '' then write('context', context) end
if updaters ~= '' and string.gsub(updaters, '%s', '') ~= '[]' then
  write('updaters', updaters)
  redis.call('HSET', prefix .. 'workflowUpdaters_' .. id, path, updaters)
  redis.call('HSET', header, 'updaters', 'true')
end
if failure ~= '' then write('error', failure) end
if traceback ~= '' then write('traceback', traceback) end
local view = { '"status":' .. status, '"finishedAt":' .. int(time), '"duration":' .. duration }
if body ~= '' then
  -- In place of a large value, kept elsewhere, stands what says its length first (bodies.Reference).
  local size = string.byte(body) == 1 and tonumber(string.match(body, '"length":(%d+)')) or #body
  write('bodySize', int(size))
  view[#view + 1] = '"bodySize":' .. int(size)
  if size <= VIEW_BODY_LIMIT then view[#view + 1] = '"body":' .. body end
end
if failure ~= '' then view[#view + 1] = '"error":' .. failure end
if or_null(record[7]) ~= 'null' then
  write('retryAt', 'null')
  view[#view + 1] = '"retryAt":null'
end
if ok then
  write('progress', '1.0')
  view[#view + 1] = '"progress":1.0'
end
local logged, count = append_logs(path, logs)
if logged then view[#view + 1] = '"logCount":' .. int(count) end
tasks[1] = cjson.encode(path) .. ':{' .. table.concat(view, ',') .. '}'
move(record[1], status)
-- A record whose failure is tolerated is marked, so that running it again takes the tolerance back with it.
local function tolerate(failed_path)
  redis.call('HSET', task_key(failed_path), 'tolerated', 'true')
  redis.call('HINCRBY', state, 'tolerated', 1)
end
-- Failed tasks of the subtree that has just ended and that nothing tolerates, as lines.
local bad, absorbed = '', tolerated
if status == '"failed"' or status == '"cancelled"' then
  if tolerated then tolerate(path) else bad = path .. '\n' end
  for i = 2, #joins, 2 do absorbed = absorbed or joins[i] == '1' end
end
if bad ~= '' and not absorbed and failure ~= '' and redis.call('HGET', header, 'error') == 'null' then
  redis.call('HSET', header, 'error', string.sub(failure, 1, -2) .. ',"path":' .. cjson.encode(path) .. '}')
end

local after = ''
-- The lane of a record is known, since it was queued in it.
if record[5] then entered[record[5]] = true end
local function queue(next_path, kind, lane, timeout)
  local next_record = redis.call('HMGET', task_key(next_path), 'status', 'run')
  if next_record[1] ~= '"inactive"' or next_record[2] ~= run then return false end
  local other = waiting_as[next_path]
  queue_record(next_path, run, lane or other and other[1] or waiting_as.lane, timeout or not lane and other and other[2])
  move('"inactive"', '"queued"')
  queued[#queued + 1] = next_path
  after = kind
  tasks[#tasks + 1] = cjson.encode(next_path) .. ':{"status":"queued","queuedAt":' .. int(time) .. '}'
  return true
end
-- The heads of the next stage of which any is left; false without one.
local function queue_stage(number)
  while true do
    local heads = redis.call('LINDEX', stages, number)
    if not heads then return false end
    for _, head in ipairs(cjson.decode(heads)) do queue(head[1], int(number), head[2], head[3]) end
    number = number + 1
    redis.call('HSET', state, 'stage', int(number))
    if #queued > 0 then return true end
  end
end
-- What comes after a root task.
local function queue_following()
  if stage then return queue_stage(tonumber(stage)) end
  return following ~= '' and queue(following, 'following')
end

-- 2. and 3. what is below it
if ok then
  for _, child in ipairs(children) do queue(child, 'children') end
elseif status == '"skipped"' or absorbed then
  for _, below in ipairs(subtree) do
    local below_record = redis.call('HMGET', task_key(below), 'status', 'run')
    if below_record[1] == '"inactive"' and below_record[2] == run then
      redis.call('HSET', task_key(below), 'status', '"skipped"', 'source', or_null(source))
      move('"inactive"', '"skipped"')
      tasks[#tasks + 1] = cjson.encode(below) .. ':{"status":"skipped"}'
    end
  end
end

local finished, instance = '', ''
if #queued == 0 then
  -- 4. the blocks around it
  local waiting = false
  for i = 1, #joins, 2 do
    local block = joins[i]
    if redis.call('HEXISTS', state, 'join:' .. block) == 1 then
      bad = (redis.call('HGET', state, 'bad:' .. block) or '') .. bad
      if bad ~= '' then redis.call('HSET', state, 'bad:' .. block, bad) end
      if redis.call('HINCRBY', state, 'join:' .. block, -1) > 0 then waiting = true break end
      if joins[i + 1] == '1' then
        for failed_path in string.gmatch(bad, '[^\n]+') do tolerate(failed_path) end
        bad = ''
      end
    end
  end
  -- 5. beyond them, or 6. the end
  if not waiting and (bad ~= '' or not queue_following()) then
    local failed, cancelled = counts['"failed"'], counts['"cancelled"']
    if cancelled > 0 and failed == 0 then
      finished = '"cancelled"'
    elseif failed + cancelled > tonumber(redis.call('HGET', state, 'tolerated') or 0) then
      finished = '"failed"'
    elseif counts['"inactive"'] > 0 then
      finished = '"inactive"'
    else
      finished = '"done"'
    end
    redis.call('HSET', header, 'status', finished, 'finishedAt', int(time), 'updatedAt', int(time))
    set_end_timers(run, finished)
    instance = ',"instance":{"status":' .. finished .. ',"finishedAt":' .. int(time) .. ',"error":' ..
      redis.call('HGET', header, 'error') .. '}'
  end
end

local event = '{"run":' .. run .. ',"tasks":{' .. table.concat(tasks, ',') .. '}' .. instance
if logged then event = event .. ',"logs":' .. logged end
local number = int(emit(event .. '}'))
redis.call('HSET', key, 'endSeq', number, 'finished', finished, 'queuedAfter', after, unpack(fields))
if token == '' then
  redis.call('ZREM', timers, timer('waiting', path), timer('retry', path))
  leave_lane(path, run, record[5], record[6])
else
  redis.call('ZREM', timers, timer('lease', path), timer('timeout', path))
end
return { 1, number, finished, queued }
