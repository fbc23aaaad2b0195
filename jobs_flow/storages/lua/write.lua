-- What a running task writes of itself: number of the call, path, run, token, progress, progress text (each or empty), log lines.
-- Returns 1, or 0 when the token does not hold the task.
local call, path, run, token = arg(), arg(), arg(), arg()
local key = task_key(path)
local record = redis.call('HMGET', key, 'status', 'run', 'token')
local current = redis.call('HMGET', header, 'run', 'status')
if record[1] ~= '"running"' or record[2] ~= run or record[3] ~= token or current[1] ~= run then return 0 end
if repeated(key, call) then return 1 end
local progress, text, lines = arg(), arg(), arg_list()
local view = {}
if progress ~= '' then
  redis.call('HSET', key, 'progress', progress)
  view[#view + 1] = '"progress":' .. progress
end
if text ~= '' then
  redis.call('HSET', key, 'progressText', text)
  view[#view + 1] = '"progressText":' .. text
end
local logged, count = append_logs(path, lines)
if logged then view[#view + 1] = '"logCount":' .. int(count) end
local event = '{"run":' .. run .. ',"tasks":{' .. cjson.encode(path) .. ':{' .. table.concat(view, ',') .. '}}'
if logged then event = event .. ',"logs":' .. logged end
emit(event .. '}')
return 1
