-- path, run, token. Returns what the token holds, see Grip.
local path, run, token = arg(), arg(), arg()
local record = redis.call('HMGET', task_key(path), 'status', 'run', 'token')
local current = redis.call('HMGET', header, 'run', 'status', 'cancelled')
if record[1] ~= '"running"' or record[2] ~= run or not same_token(record[3], token) or current[1] ~= run
  or current[2] ~= '"working"' then return 'lost' end
return asked_to_stop(current[3], path) and 'cancelled' or 'held'
