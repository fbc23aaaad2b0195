-- Timers: one sorted set for all instances, by the server's time at which they come due.
local timers = prefix .. 'workflowTimers'

local function timer(kind, path, detail) return kind .. '\n' .. id .. '\n' .. path .. '\n' .. (detail or '') end
local function set_timer(kind, path, delay, detail)
  redis.call('ZADD', timers, int(server_time() + delay), timer(kind, path, detail))
end

-- A run is over: whoever recorded it tells of it, or recovery does.
local function set_end_timers(run, finished)
  set_timer('ended', '#', NOTICE_DELAY, run .. ' ' .. cjson.decode(finished))
  if finished ~= '"inactive"' and redis.call('HGET', header, 'ephemeral') == 'true' then
    set_timer('ephemeral', '#', EPHEMERAL_KEPT)
  end
end
