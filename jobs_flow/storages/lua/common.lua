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
local clock, seq
local function now()
  if clock then return clock end
  local known = redis.call('HMGET', state, 'clock', 'seq')
  local time = redis.call('TIME')
  clock = math.max(tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000), tonumber(known[1] or 0))
  seq = tonumber(known[2] or 0)
  return clock
end

-- Number of tasks by status: a page of instances then needs no task record.
local moved = {}
local function move(from, to)
  moved[from] = (moved[from] or 0) - 1
  moved[to] = (moved[to] or 0) + 1
end
local function flush_counts()
  for status, by in pairs(moved) do
    if by ~= 0 then redis.call('HINCRBY', state, 'count:' .. cjson.decode(status), by) end
  end
  moved = {}
end

-- Ends a transition: the counters, the clock, and its one event, as text of a JSON object.
local function emit(event)
  now()
  flush_counts()
  seq = seq + 1
  redis.call('HSET', state, 'clock', int(clock), 'seq', int(seq))
  redis.call('XADD', stream, 'MAXLEN', '~', EVENTS_KEPT, int(seq) .. '-0', 'e', event)
  redis.call('PUBLISH', stream, int(seq) .. ' ' .. event)
  return seq
end

-- A client sends a script again when the answer was lost. Each call has a number of its own, so that what it
-- wrote the first time is not written twice: true if the call with this number was the last one noted there.
local function repeated(key, call)
  if redis.call('HGET', key, 'call') == call then return true end
  redis.call('HSET', key, 'call', call)
  return false
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

local COUNTED = { 'inactive', 'queued', 'running', 'ok', 'skipped', 'failed', 'cancelled' }
-- The header for the caller: its fields, then the counters and the sequence number.
local function read_header()
  local fields = {}
  for i, status in ipairs(COUNTED) do fields[i] = 'count:' .. status end
  fields[#fields + 1] = 'seq'
  return { redis.call('HGETALL', header), redis.call('HMGET', state, unpack(fields)) }
end

-- What a task hands on: {path, status, source, executionTime, value}, false or 'null' where there is nothing.
local function read_input(path)
  local record = redis.call('HMGET', task_key(path), 'status', 'source')
  if not record[1] then return nil end
  if not record[2] or record[2] == 'null' then return { path, record[1], 'null', 'null', false } end
  local origin = redis.call('HMGET', task_key(cjson.decode(record[2])), 'status', 'executionTime')
  local field = origin[1] == '"ok"' and 'body' or 'argument'
  local value = redis.call('HGET', task_key(cjson.decode(record[2])), field)
  return { path, record[1], record[2], origin[2] or 'null', value }
end
local function read_inputs(paths)
  local inputs = {}
  for _, path in ipairs(paths) do
    local input = read_input(path)
    if input then inputs[#inputs + 1] = input end
  end
  return inputs
end
