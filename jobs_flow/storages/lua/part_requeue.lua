-- Gives up the present attempt at a running task: its record is as before the attempt, and queued again. It is claimed
-- not before the delay, in milliseconds, has passed; with none it is in its lane at once. Returns its view, as JSON.
local function requeue(path, run, delay, counter, count)
  local key = task_key(path)
  local record = redis.call('HMGET', key, 'lane', 'waitTimeout')
  local at = delay > 0 and int(now() + delay) or 'null'
  redis.call('HSET', key, 'status', '"queued"', 'queuedAt', int(now()), 'publishedAt', int(server_time()),
    'executionTime', 'null', counter, count, 'retryAt', at)
  redis.call('HDEL', key, 'token', 'worker', 'progress', 'progressText', 'later', 'publishings')
  redis.call('ZREM', timers, timer('lease', path), timer('timeout', path))
  if delay > 0 then
    set_timer('retry', path, delay)
  elseif record[1] then
    enter_lane(path, run, record[1], record[2])
  end
  move('"running"', '"queued"')
  return '"status":"queued","queuedAt":' .. int(now()) .. ',"executionTime":null,"progress":null,"progressText":null,"' ..
    counter .. '":' .. count .. ',"retryAt":' .. at
end
