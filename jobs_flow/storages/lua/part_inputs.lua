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
