-- Names of fields, paths as JSON. Returns status and those fields of each path as one JSON list, null without a record.
local names, found = arg_list(), {}
for i, path in ipairs(cjson.decode(arg())) do
  local values = redis.call('HMGET', task_key(path), 'status', unpack(names))
  for n = 2, #values do values[n] = values[n] or 'null' end
  found[i] = values[1] and '[' .. table.concat(values, ',') .. ']' or 'null'
end
return '[' .. table.concat(found, ',') .. ']'
