-- Returns {name, length, when the first was published or false, mark} of every lane that ever had a task.
local found = {}
local marks = redis.call('ZRANGE', prefix .. 'workflowLanes', 0, -1, 'WITHSCORES')
local function published_at(member)
  if not member then return nil end
  local owner, path = string.match(member, '^(.*)\n([^\n]*)\n[^\n]*$')
  id = owner
  local at = redis.call('HGET', task_key(path), 'publishedAt')
  return at and tonumber(at)
end
for i = 1, #marks, 2 do
  local lane = marks[i]
  local length = redis.call('ZCARD', lane_key(lane)) + redis.call('ZCARD', later_key(lane))
  local oldest
  if length > 0 then
    local first = tonumber(redis.call('ZRANGE', lane_key(lane), 0, 0, 'WITHSCORES')[2])
    local later = published_at(redis.call('ZRANGE', later_key(lane), 0, 0)[1])
    oldest = first and later and math.min(first, later) or first or later
  end
  found[#found + 1] = { lane, length, oldest and int(oldest) or false, int(tonumber(marks[i + 1])) }
end
return found
