-- Returns {header, tree as JSON, task views as one JSON object}, false without such an instance.
if redis.call('EXISTS', header) == 0 then return false end
local stored = redis.call('HMGET', tree, 'tree', 'paths')
local fields = { 'status', 'run', 'attempt', 'queuedAt', 'executionTime', 'finishedAt', 'duration',
  'progress', 'progressText', 'error', 'bodySize', 'logCount', 'retries', 'losses', 'retryAt', 'undo' }
local missing = { run = '0', attempt = '0', logCount = '0', retries = '0', losses = '0' }
local views = {}
for i, path in ipairs(cjson.decode(stored[2])) do
  local key = task_key(path)
  local values = redis.call('HMGET', key, unpack(fields))
  local view = {}
  for f, field in ipairs(fields) do
    view[f] = '"' .. field .. '":' .. (values[f] or missing[field] or 'null')
  end
  local size = tonumber(values[11])
  if not size then
    view[#view + 1] = '"body":null'
  elseif size <= VIEW_BODY_LIMIT then
    view[#view + 1] = '"body":' .. redis.call('HGET', key, 'body')
  end
  views[i] = cjson.encode(path) .. ':{' .. table.concat(view, ',') .. '}'
end
return { read_header(), stored[1], '{' .. table.concat(views, ',') .. '}' }
