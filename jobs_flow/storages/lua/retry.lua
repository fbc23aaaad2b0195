-- path, run, token, delay, error as JSON or '', log lines. Returns as complete.lua does.
local path, run, token, delay, failure, logs = arg(), arg(), arg(), tonumber(arg()), arg(), arg_list()
local current = redis.call('HMGET', header, 'run', 'status', 'cancelled')
local key = task_key(path)
local record = redis.call('HMGET', key, 'status', 'run', 'token', 'retries', 'gaveUp', 'gaveUpSeq', 'gaveUpDelay', 'retryAt')
if current[1] ~= run or current[2] ~= '"working"' or record[2] ~= run then return { 0 } end
if record[1] ~= '"running"' or not same_token(record[3], token) then
  if not same_token(record[5], token) then return { 0 } end
  local waits = record[7] == '0' and record[1] == '"queued"' and record[8] == 'null'
  return { 1, record[6], '', waits and { path } or {} }
end
if asked_to_stop(current[3], path) then return { 0 } end

redis.call('HSET', key, 'gaveUp', record[3], 'gaveUpDelay', int(delay))
local logged, count = append_logs(path, logs)
keep_attempt(path, '"failed"', or_null(failure))
local view = requeue(path, run, delay, 'retries', int(tonumber(record[4] or 0) + 1))
if logged then view = view .. ',"logCount":' .. int(count) end
local event = '{"run":' .. run .. ',"tasks":{' .. cjson.encode(path) .. ':{' .. view .. '}}'
if logged then event = event .. ',"logs":' .. logged end
local number = int(emit(event .. '}'))
redis.call('HSET', key, 'gaveUpSeq', number)
return { 1, number, '', delay > 0 and {} or { path } }
