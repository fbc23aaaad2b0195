-- Lanes: queued tasks by the server's time at which they were published last. What was given to be published again
-- waits in a second set, by the time from which it may be looked at, so that looking costs nothing until then.
local function lane_key(lane) return prefix .. 'workflowLane_' .. lane end
local function later_key(lane) return prefix .. 'workflowLaneLater_' .. lane end
local function place(path, run) return id .. '\n' .. path .. '\n' .. run end

local entered = {}
local function enter_lane(path, run, lane, timeout)
  local time = int(server_time())
  if not entered[lane] then
    entered[lane] = true
    redis.call('ZADD', prefix .. 'workflowLanes', 'NX', 0, lane)
  end
  redis.call('ZADD', lane_key(lane), time, place(path, run))
  if timeout and timeout ~= '' then set_timer('waiting', path, tonumber(timeout)) end
end
local function leave_lane(path, run, lane, later)
  if not lane then return end
  redis.call('ZREM', lane_key(lane), place(path, run))
  if later then redis.call('ZREM', later_key(lane), place(path, run)) end
end

-- How tasks wait, from the arguments: the lane of all, and path, lane, timeout or '' of those that wait otherwise.
local function read_waiting()
  local waiting = { lane = arg() }
  local others = arg_list()
  for i = 1, #others, 3 do waiting[others[i]] = { others[i + 1], others[i + 2] } end
  return waiting
end
-- Makes a record queued, with the fields that are given besides.
local function queue_record(path, run, lane, timeout, ...)
  redis.call('HSET', task_key(path), 'status', '"queued"', 'queuedAt', int(now()), 'publishedAt', int(server_time()),
    'lane', lane, ...)
  if timeout and timeout ~= '' then redis.call('HSET', task_key(path), 'waitTimeout', timeout) end
  enter_lane(path, run, lane, timeout)
end
local function queue_as(waiting, path, run, ...)
  local other = waiting[path]
  queue_record(path, run, other and other[1] or waiting.lane, other and other[2], ...)
end
