-- number of the call, path, run, token, how often it may be lost, error as JSON. Returns what became of it, see Loss.
local call, path, run, token, most, failure = arg(), arg(), arg(), arg(), tonumber(arg()), arg()
local current = redis.call('HMGET', header, 'run', 'status', 'cancelled')
local key = task_key(path)
local record = redis.call('HMGET', key, 'status', 'run', 'token', 'losses', 'lossCall', 'loss')
if not current[1] then return 'refused' end
if record[5] == call then return record[6] end
if current[1] ~= run or current[2] ~= '"working"' or record[1] ~= '"running"' or record[2] ~= run
  or not same_token(record[3], token) then return 'refused' end

local losses = tonumber(record[4] or 0) + 1
local loss = losses > most and 'poisoned' or asked_to_stop(current[3], path) and 'cancelled' or 'requeued'
redis.call('HSET', key, 'losses', int(losses), 'lossCall', call, 'loss', loss)
local view = '"losses":' .. int(losses)
if loss == 'requeued' then
  keep_attempt(path, '"lost"', failure)
  view = requeue(path, run, 0, 'losses', int(losses))
end
emit('{"run":' .. run .. ',"tasks":{' .. cjson.encode(path) .. ':{' .. view .. '}}}')
return loss
