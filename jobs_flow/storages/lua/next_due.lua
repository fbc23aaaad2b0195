-- Returns milliseconds until the earliest timer comes due, false without any.
local earliest
for _, key in ipairs({ timers, expiries }) do
  local first = tonumber(redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2])
  if first and (not earliest or first < earliest) then earliest = first end
end
if not earliest then return false end
return int(math.max(0, earliest - server_time()))
