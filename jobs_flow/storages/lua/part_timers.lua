-- Timers: sorted sets for all instances, by the server's time at which they come due. What was kept for long enough
-- has one of its own: however much that is, it stands in nobody's way.
local timers = prefix .. 'workflowTimers'
local expiries = prefix .. 'workflowExpiries'

local function timer(kind, path, detail) return kind .. '\n' .. id .. '\n' .. path .. '\n' .. (detail or '') end
local function set_timer(kind, path, delay, detail)
  redis.call('ZADD', timers, int(server_time() + delay), timer(kind, path, detail))
end

-- A run is over: whoever recorded it tells of it, or recovery does.
local function set_end_timers(run, finished)
  set_timer('ended', '#', NOTICE_DELAY, run .. ' ' .. cjson.decode(finished))
  if finished == '"inactive"' then return end
  local kept = redis.call('HMGET', header, 'ephemeral', 'keep')
  if kept[1] == 'true' then
    set_timer('ephemeral', '#', EPHEMERAL_KEPT)
  elseif or_null(kept[2]) ~= 'null' then
    redis.call('ZADD', expiries, int(server_time() + tonumber(kept[2])), timer('expired', '#'))
  end
end
-- The run is over no longer.
local function stop_end_timers()
  redis.call('ZREM', timers, timer('ephemeral', '#'))
  redis.call('ZREM', expiries, timer('expired', '#'))
end
