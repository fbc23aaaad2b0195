-- Earlier attempts at a task, a list of JSON texts.
local function attempts_key(path) return prefix .. 'attempts_' .. id .. '_' .. path end

local ATTEMPT = { 'run', 'attempt', 'queuedAt', 'executionTime', 'finishedAt', 'duration', 'worker', 'error', 'bodySize' }
-- Keeps what there is of a record. Given a status and an error, it ended just now with them.
local function keep_attempt(path, status, failure)
  local key = task_key(path)
  local values = redis.call('HMGET', key, 'status', 'logCount', unpack(ATTEMPT))
  local parts = { '"status":' .. (status or values[1]) }
  if status then
    values[7] = int(now())
    values[8] = values[6] and values[6] ~= 'null' and int(now() - tonumber(values[6])) or 'null'
    values[10] = failure
  end
  for i, field in ipairs(ATTEMPT) do
    parts[#parts + 1] = '"' .. field .. '":' .. (values[i + 2] or (field == 'attempt' and '0' or 'null'))
  end
  local size = tonumber(values[11])
  parts[#parts + 1] = '"body":' .. (size and size <= VIEW_BODY_LIMIT and redis.call('HGET', key, 'body') or 'null')
  local lines = {}
  if values[2] then
    for i, line in ipairs(redis.call('LRANGE', log_key(path), -ATTEMPT_LOG_LINES, -1)) do lines[i] = cjson.encode(line) end
  end
  parts[#parts + 1] = '"logs":[' .. table.concat(lines, ',') .. ']'
  redis.call('RPUSH', attempts_key(path), '{' .. table.concat(parts, ',') .. '}')
  redis.call('LTRIM', attempts_key(path), -ATTEMPTS_KEPT, -1)
end
