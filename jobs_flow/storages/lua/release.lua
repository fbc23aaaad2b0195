-- number of the call, path, run. Returns 1 for the one who is to publish it, else 0.
local call, path, run = arg(), arg(), arg()
local current = redis.call('HMGET', header, 'run', 'status')
local key = task_key(path)
local record = redis.call('HMGET', key, 'status', 'run', 'retryAt', 'lane', 'waitTimeout', 'call')
if current[1] ~= run or current[2] ~= '"working"' or record[1] ~= '"queued"' or record[2] ~= run then return 0 end
if record[6] == call then return 1 end
if or_null(record[3]) == 'null' then return 0 end
redis.call('HSET', key, 'retryAt', 'null', 'publishedAt', int(server_time()), 'call', call)
redis.call('ZREM', timers, timer('retry', path))
if record[4] then enter_lane(path, run, record[4], record[5]) end
emit('{"run":' .. run .. ',"tasks":{' .. cjson.encode(path) .. ':{"retryAt":null}}}')
return 1
