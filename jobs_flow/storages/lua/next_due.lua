-- Returns milliseconds until the earliest timer comes due, false without any.
local first = redis.call('ZRANGE', timers, 0, 0, 'WITHSCORES')
if not first[1] then return false end
return int(math.max(0, tonumber(first[2]) - server_time()))
