-- What a running task writes of itself: number of the call, path, run, token, progress, progress text (each or empty),
-- log lines. Returns what the token holds, see Grip; nothing is written when that is nothing, or there is nothing to write.
local call, path, run, token = arg(), arg(), arg(), arg()
local key = task_key(path)
local record = redis.call('HMGET', key, 'status', 'run', 'token')
local current = redis.call('HMGET', header, 'run', 'status', 'cancelled')
if record[1] ~= '"running"' or record[2] ~= run or not same_token(record[3], token) or current[1] ~= run
  or current[2] ~= '"working"' then return 'lost' end
local grip = asked_to_stop(current[3], path) and 'cancelled' or 'held'
local progress, text, lines = arg(), arg(), arg_list()
if (progress == '' and text == '' and #lines == 0) or repeated(key, call) then return grip end
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
return grip
