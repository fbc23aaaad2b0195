-- how many at most. Returns {kind, id, path, run, token or false, detail, when} of each timer that has come due, the earliest
-- first, those of what was kept for long enough after all others. Those that no longer apply are removed; how many are
-- looked at in one call is bounded.
local limit = tonumber(arg())
local found, looked = {}, 0

-- Whether a timer applies: its run and token, or nil when it does not, and how long it is put off.
local function check(kind, path)
  local current = redis.call('HMGET', header, 'run', 'status', 'paused', 'undo')
  if not current[1] then return nil end
  if path == '#' then
    if kind == 'undo' and (current[2] ~= '"working"' or current[4] ~= '"running"') then return nil end
    local over = current[2] ~= '"working"' and current[2] ~= '"inactive"'
    if (kind == 'ephemeral' or kind == 'expired') and not over then return nil end
    return current[1], kind == 'undo' and redis.call('HGET', prefix .. 'workflowState_' .. id, 'undoToken')
  end
  local record = redis.call('HMGET', task_key(path), 'status', 'run', 'token', 'retryAt')
  local token = record[3]
  if kind == 'failed' then return record[1] == '"failed"' and record[2] or nil, token end
  if record[2] ~= current[1] or current[2] ~= '"working"' then return nil end
  if kind == 'lease' or kind == 'timeout' then return record[1] == '"running"' and record[2] or nil, token end
  local delayed = or_null(record[4]) ~= 'null'
  if record[1] ~= '"queued"' or delayed ~= (kind == 'retry') then return nil end
  return record[2], token, kind == 'waiting' and current[3] == 'true' and NOTICE_DELAY
end

for _, key in ipairs({ timers, expiries }) do
  local kept = 0
  while #found < limit and looked < limit + 1000 do
    local members = redis.call('ZRANGEBYSCORE', key, '-inf', int(server_time()), 'WITHSCORES', 'LIMIT', kept, 100)
    if #members == 0 then break end
    local gone = {}
    for i = 1, #members, 2 do
      local member = members[i]
      if #found == limit then break end
      looked = looked + 1
      local kind, owner, path, detail = string.match(member, '^([^\n]*)\n(.*)\n([^\n]*)\n([^\n]*)$')
      id, header = owner, prefix .. 'workflow_' .. owner
      local run, token, put_off = check(kind, path)
      if not run then
        gone[#gone + 1] = member
      elseif put_off then
        redis.call('ZADD', key, int(server_time() + put_off), member)
      else
        found[#found + 1] = { kind, id, path, run, token, detail, members[i + 1] }
        kept = kept + 1
      end
    end
    if #gone > 0 then redis.call('ZREM', key, unpack(gone)) end
  end
end
return found
