-- role, holder.
local key = prefix .. 'workflowRole_' .. arg()
if redis.call('GET', key) == arg() then redis.call('DEL', key) end
