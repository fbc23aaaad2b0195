-- Shared by every script. KEYS[1] is the instance's header; all its other keys share its prefix and id.
-- Values in hashes are JSON text, so statuses are compared with their quotes.
local prefix, id = ARGV[1], ARGV[2]
local header = KEYS[1]
local state = prefix .. 'workflowState_' .. id
local stream = prefix .. 'workflowEvents_' .. id
local tree = prefix .. 'workflowTree_' .. id

local function task_key(path) return prefix .. 'workflowTask_' .. id .. '_' .. path end
local function log_key(path) return prefix .. 'logs_' .. id .. '_' .. path end

-- Lua prints large numbers with an exponent.
local function int(number) return string.format('%.0f', number) end
local function or_null(text) if text == nil or text == false or text == '' then return 'null' end return text end

-- Arguments are read in order; a list is its length followed by its members.
local cursor = 2
local function arg() cursor = cursor + 1 return ARGV[cursor] end
local function arg_list()
  local list = {}
  for i = 1, tonumber(arg()) do list[i] = arg() end
  return list
end

-- One clock per instance: the server's, which may be set back; never earlier than what it said before.
local clock, seq, server
local function server_time()
  if not server then
    local time = redis.call('TIME')
    server = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  end
  return server
end
-- What every transition needs of the state, in one read: clock, number of the latest event, next stage if the run has
-- stages, and the number of tasks by status, so that a page of instances needs no task record.
local stage, counts
local function now()
  if clock then return clock end
  local known = redis.call('HMGET', state, 'clock', 'seq', 'stage', 'count:inactive', 'count:queued', 'count:running',
    'count:ok', 'count:skipped', 'count:failed', 'count:cancelled')
  clock = math.max(server_time(), tonumber(known[1] or 0))
  seq = tonumber(known[2] or 0)
  stage = known[3]
  counts = { ['"inactive"'] = tonumber(known[4] or 0), ['"queued"'] = tonumber(known[5] or 0),
    ['"running"'] = tonumber(known[6] or 0), ['"ok"'] = tonumber(known[7] or 0), ['"skipped"'] = tonumber(known[8] or 0),
    ['"failed"'] = tonumber(known[9] or 0), ['"cancelled"'] = tonumber(known[10] or 0) }
  return clock
end

-- A server without memory refuses a script at its first write, unless that one only removes; after it all are let
-- through. So a script that removes first writes this before.
local function need_memory() redis.call('HSET', state, 'clock', int(now())) end

-- A task, where there is one, goes from one status to another.
local changed = {}
local function move(from, to)
  now()
  if from then
    counts[from] = counts[from] - 1
    changed[from] = true
  end
  if to then
    counts[to] = counts[to] + 1
    changed[to] = true
  end
end

-- Ends a transition: the counters, the clock, and its one event, as text of a JSON object.
local function emit(event)
  now()
  seq = seq + 1
  local fields = { 'clock', int(clock), 'seq', int(seq) }
  for status in pairs(changed) do
    fields[#fields + 1] = 'count:' .. string.sub(status, 2, -2)
    fields[#fields + 1] = int(counts[status])
  end
  redis.call('HSET', state, unpack(fields))
  redis.call('XADD', stream, 'MAXLEN', '~', EVENTS_KEPT, int(seq) .. '-0', 'e', event)
  redis.call('PUBLISH', stream, int(seq) .. ' ' .. event)
  return seq
end

-- A client sends a script again when the answer was lost. Each call has a number of its own, so that what it
-- wrote the first time is not written twice: true if the call with this number was the last one noted there.
local function repeated(key, call, kind)
  local field = kind and 'call:' .. kind or 'call'
  if redis.call('HGET', key, field) == call then return true end
  redis.call('HSET', key, field, call)
  return false
end

-- Whether the header's list of paths that were asked to stop covers a path.
local function asked_to_stop(cancelled, path)
  if not cancelled or cancelled == 'null' then return false end
  for _, part in ipairs(cjson.decode(cancelled)) do
    if part == '#' or part == path or string.sub(path, 1, #part + 1) == part .. '.' then return true end
  end
  return false
end

-- A token that ends in * stands for any that begins so.
local function same_token(stored, token)
  if not stored or token == '' then return false end
  if string.sub(token, -1) ~= '*' then return stored == token end
  return string.sub(stored, 1, #token - 1) == string.sub(token, 1, -2)
end

-- Appends log lines; gives the event's entry for them and the new count, or nil for no lines.
local function append_logs(path, lines)
  if #lines == 0 then return nil end
  local key = log_key(path)
  local from = tonumber(redis.call('HGET', task_key(path), 'logCount') or 0)
  local quoted = {}
  for i, line in ipairs(lines) do
    redis.call('RPUSH', key, line)
    quoted[i] = cjson.encode(line)
  end
  redis.call('LTRIM', key, -LOG_LINES_KEPT, -1)
  redis.call('HSET', task_key(path), 'logCount', int(from + #lines))
  local entry = '{' .. cjson.encode(path) .. ':{"from":' .. int(from) .. ',"lines":[' .. table.concat(quoted, ',') .. ']}}'
  return entry, from + #lines
end

-- The header for the caller: its fields, then the counters and the sequence number.
local function read_header()
  return { redis.call('HGETALL', header), redis.call('HMGET', state, 'count:inactive', 'count:queued', 'count:running',
    'count:ok', 'count:skipped', 'count:failed', 'count:cancelled', 'seq') }
end
