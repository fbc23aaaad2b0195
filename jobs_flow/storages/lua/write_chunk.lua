-- name, number, bytes. What was not announced, or has gone meanwhile, is not written.
local name, number, data = arg(), arg(), arg()
if redis.call('SISMEMBER', prefix .. 'workflowBodies_' .. id, name) == 1 then
  redis.call('HSET', prefix .. 'workflowBody_' .. id .. '_' .. name, number, data)
end
