-- name. Returns 1, or 0 without such an instance.
if redis.call('EXISTS', header) == 0 then return 0 end
redis.call('SADD', prefix .. 'workflowBodies_' .. id, arg())
return 1
