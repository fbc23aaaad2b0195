-- role, holder, milliseconds. Returns 1 when the holder has the role now, else 0.
local key, holder, ttl = prefix .. 'workflowRole_' .. arg(), arg(), arg()
local present = redis.call('GET', key)
if present and present ~= holder then return 0 end
redis.call('SET', key, holder, 'PX', ttl)
return 1
