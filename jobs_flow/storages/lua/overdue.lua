-- lane, grace, the longest back-off, '1' if drained, how many at most, the lane's mark elsewhere. Returns {id, path, run,
-- when it was published} of each task to publish again.
-- Reads only what may be given: entries before the mark by the grace, and those whose time to be looked at again has come.
local lane, grace, longest, drained, limit = arg(), tonumber(arg()), tonumber(arg()), arg() == '1', tonumber(arg())
local elsewhere = tonumber(arg())
local line, later = lane_key(lane), later_key(lane)
local time = server_time()

local function open(member)
  local owner, path, run = string.match(member, '^(.*)\n([^\n]*)\n([^\n]*)$')
  id, header = owner, prefix .. 'workflow_' .. owner
  local record = redis.call('HMGET', task_key(path), 'status', 'run', 'publishedAt', 'publishings', 'retryAt', 'lane')
  local current = redis.call('HMGET', header, 'run', 'status', 'paused')
  local queued = record[1] == '"queued"' and record[2] == run and current[1] == run and current[2] == '"working"'
    and or_null(record[5]) == 'null' and record[6] == lane
  return queued and { path, run, tonumber(record[3]), tonumber(record[4] or 0), current[3] == 'true' }
end

for _, member in ipairs(redis.call('ZRANGEBYSCORE', later, '-inf', int(time), 'LIMIT', 0, limit + 1000)) do
  local entry = open(member)
  if entry then redis.call('ZADD', line, int(entry[3]), member) end
  redis.call('ZREM', later, member)
end

local before = '(' .. int(time - grace)
if not drained then
  local mark = tonumber(redis.call('ZSCORE', prefix .. 'workflowLanes', lane) or 0)
  before = '(' .. int(math.min(math.max(mark, elsewhere), time) - grace)
end
local found, looked = {}, 0
while #found < limit and looked < limit + 1000 do
  local members = redis.call('ZRANGEBYSCORE', line, '-inf', before, 'LIMIT', 0, math.min(100, limit - #found))
  if #members == 0 then break end
  for _, member in ipairs(members) do
    looked = looked + 1
    local entry = open(member)
    if not entry then
      redis.call('ZREM', line, member)
    elseif entry[5] then
      redis.call('HSET', task_key(entry[1]), 'later', '1')
      redis.call('ZADD', later, int(time + grace), member)
      redis.call('ZREM', line, member)
    else
      redis.call('HSET', task_key(entry[1]), 'later', '1', 'publishedAt', int(time), 'publishings', int(entry[4] + 1))
      redis.call('ZADD', later, int(time + math.min(grace * 2 ^ math.min(entry[4], 30), longest)), member)
      redis.call('ZREM', line, member)
      found[#found + 1] = { id, entry[1], entry[2], int(entry[3]) }
    end
  end
end
return found
