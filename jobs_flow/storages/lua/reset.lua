-- number of the call, paths. Returns {'gone'}, {'working'} or {'reset', header}.
local call, paths = arg(), arg_list()
local current = redis.call('HMGET', header, 'run', 'status')
if not current[1] then return { 'gone' } end
if redis.call('HGET', state, 'call:reset') == call then return { 'reset', read_header() } end
if current[2] == '"working"' then return { 'working' } end
redis.call('HSET', state, 'call:reset', call)
for _, path in ipairs(paths) do reset_record(path) end
redis.call('HSET', header, 'status', '"inactive"', 'error', 'null', 'updatedAt', int(now()))
stop_end_timers()
emit('{"run":' .. current[1] .. ',"reset":true}')
return { 'reset', read_header() }
