-- path, run, token or '', the outcome, and the flow after it. Returns {recorded, seq, finished or '', queued paths}.
-- The numbered steps are those of Storage.complete.
local path, run, token = arg(), arg(), arg()
local status, body, source, argument, context, updaters = arg(), arg(), arg(), arg(), arg(), arg()
local failure, traceback, tolerated = arg(), arg(), arg() == '1'
local logs, children, subtree, joins, following = arg_list(), arg_list(), arg_list(), arg_list(), arg()

local current = redis.call('HMGET', header, 'run', 'status')
local key = task_key(path)
local record = redis.call('HMGET', key, 'status', 'run', 'token', 'executionTime')

-- Paths that this outcome queued; sent again, only those that nobody has claimed since.
local queued = {}
if token ~= '' and record[3] == token and record[2] == run and current[1] == run and record[1] ~= '"running"' then
  local candidates = { following }
  for _, child in ipairs(children) do candidates[#candidates + 1] = child end
  for _, path_after in ipairs(candidates) do
    local after = redis.call('HMGET', task_key(path_after), 'status', 'run')
    if after[1] == '"queued"' and after[2] == run then queued[#queued + 1] = path_after end
  end
  return { 1, redis.call('HGET', key, 'endSeq'), redis.call('HGET', key, 'finished') or '', queued }
end
if current[1] ~= run or current[2] ~= '"working"' or record[2] ~= run then return { 0 } end
if token == '' then
  if record[1] ~= '"running"' and record[1] ~= '"queued"' then return { 0 } end
elseif record[1] ~= '"running"' or record[3] ~= token then
  return { 0 }
end

local time = now()
local ok = status == '"ok"'
local tasks = {}

-- 1. the record
local duration = 'null'
if record[4] and record[4] ~= 'null' then duration = int(time - tonumber(record[4])) end
redis.call('HSET', key, 'status', status, 'body', or_null(body), 'source', or_null(source),
  'finishedAt', int(time), 'duration', duration)
-- Whoever held it has nothing to say about it any more.
if token == '' then redis.call('HDEL', key, 'token') end
if argument ~= '' then redis.call('HSET', key, 'argument', argument) end
if context ~= '' then redis.call('HSET', key, 'context', context) end
if updaters ~= '' then redis.call('HSET', key, 'updaters', updaters) end
if failure ~= '' then redis.call('HSET', key, 'error', failure) end
if traceback ~= '' then redis.call('HSET', key, 'traceback', traceback) end
local view = { '"status":' .. status, '"finishedAt":' .. int(time), '"duration":' .. duration }
if body ~= '' then
  redis.call('HSET', key, 'bodySize', #body)
  view[#view + 1] = '"bodySize":' .. #body
  if #body <= VIEW_BODY_LIMIT then view[#view + 1] = '"body":' .. body end
end
if failure ~= '' then view[#view + 1] = '"error":' .. failure end
if ok then
  redis.call('HSET', key, 'progress', '1.0')
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

local function queue(next_path)
  local following_record = redis.call('HMGET', task_key(next_path), 'status', 'run')
  if following_record[1] ~= '"inactive"' or following_record[2] ~= run then return false end
  redis.call('HSET', task_key(next_path), 'status', '"queued"', 'queuedAt', int(time))
  move('"inactive"', '"queued"')
  queued[#queued + 1] = next_path
  tasks[#tasks + 1] = cjson.encode(next_path) .. ':{"status":"queued","queuedAt":' .. int(time) .. '}'
  return true
end

-- 2. and 3. what is below it
if ok then
  for _, child in ipairs(children) do queue(child) end
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
  if not waiting and (bad ~= '' or following == '' or not queue(following)) then
    flush_counts()
    local counts = redis.call('HMGET', state, 'count:failed', 'count:cancelled', 'count:inactive', 'tolerated')
    local failed, cancelled = tonumber(counts[1] or 0), tonumber(counts[2] or 0)
    if cancelled > 0 and failed == 0 then
      finished = '"cancelled"'
    elseif failed + cancelled > tonumber(counts[4] or 0) then
      finished = '"failed"'
    elseif tonumber(counts[3] or 0) > 0 then
      finished = '"inactive"'
    else
      finished = '"done"'
    end
    redis.call('HSET', header, 'status', finished, 'finishedAt', int(time), 'updatedAt', int(time))
    instance = ',"instance":{"status":' .. finished .. ',"finishedAt":' .. int(time) .. ',"error":' ..
      redis.call('HGET', header, 'error') .. '}'
  end
end

local event = '{"run":' .. run .. ',"tasks":{' .. table.concat(tasks, ',') .. '}' .. instance
if logged then event = event .. ',"logs":' .. logged end
local number = int(emit(event .. '}'))
redis.call('HSET', key, 'endSeq', number, 'finished', finished)
return { 1, number, finished, queued }
