-- holder, lease, then id, path and run of each task in turn. Returns what is still held of each: see Grip.
local holder, lease, holds = arg(), tonumber(arg()), arg_list()
local answers = {}
for i = 1, #holds, 3 do
  id = holds[i]
  local path, run = holds[i + 1], holds[i + 2]
  local current = redis.call('HMGET', prefix .. 'workflow_' .. id, 'run', 'status', 'cancelled')
  local record = redis.call('HMGET', task_key(path), 'status', 'run', 'token')
  local undoing = path == '#'
  if undoing then
    -- Who undoes the instance.
    local undo = redis.call('HGET', prefix .. 'workflow_' .. id, 'undo') == '"running"'
    record = { undo and '"running"', current[1], redis.call('HGET', prefix .. 'workflowState_' .. id, 'undoToken') }
  end
  local held = record[1] == '"running"' and record[2] == run and same_token(record[3], holder .. '*')
    and current[1] == run and current[2] == '"working"'
  if held then set_timer(undoing and 'undo' or 'lease', path, lease) end
  if held and undoing then redis.call('HSET', prefix .. 'workflowState_' .. id, 'undoUntil', int(server_time() + lease)) end
  answers[#answers + 1] = not held and 'lost' or not undoing and asked_to_stop(current[3], path) and 'cancelled' or 'held'
end
return answers
