-- names.
for _, name in ipairs(arg_list()) do
  redis.call('SREM', prefix .. 'workflowBodies_' .. id, name)
  redis.call('UNLINK', prefix .. 'workflowBody_' .. id .. '_' .. name)
end
