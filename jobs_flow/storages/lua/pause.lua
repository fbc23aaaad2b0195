-- 'true' or 'false'. Returns the header, false without such an instance. Asked for again it changes nothing.
local paused = arg()
local current = redis.call('HMGET', header, 'run', 'paused')
if not current[1] then return false end
if (current[2] or 'false') ~= paused then
  redis.call('HSET', header, 'paused', paused, 'updatedAt', int(now()))
  emit('{"run":' .. current[1] .. ',"instance":{"paused":' .. paused .. '}}')
end
return read_header()
