-- number of the call, path, '1' to undo. Returns {'gone'}, {'idle'} or {'asked', header}.
local call, path, undo = arg(), arg(), arg() == '1'
local current = redis.call('HMGET', header, 'run', 'status', 'cancelled', 'undo')
if not current[1] then return { 'gone' } end
if redis.call('HGET', state, 'call:cancel') == call then return { 'asked', read_header() } end
if current[2] ~= '"working"' then return { 'idle' } end
redis.call('HSET', state, 'call:cancel', call)
local change, known = {}, false
local listed = or_null(current[3]) == 'null' and {} or cjson.decode(current[3])
for _, part in ipairs(listed) do known = known or part == path end
if not known then
  listed[#listed + 1] = path
  local text = cjson.encode(listed)
  redis.call('HSET', header, 'cancelled', text)
  change[1] = '"cancelled":' .. text
end
if undo and or_null(current[4]) == 'null' then
  redis.call('HSET', header, 'undo', '"wanted"')
  change[#change + 1] = '"undo":"wanted"'
end
if #change > 0 then
  redis.call('HSET', header, 'updatedAt', int(now()))
  emit('{"run":' .. current[1] .. ',"instance":{' .. table.concat(change, ',') .. '}}')
end
return { 'asked', read_header() }
