-- number of the call, an event that changes no record, as JSON. Returns its number, false without such an instance.
if redis.call('EXISTS', header) == 0 then return false end
local call = arg()
if repeated(state, call) then return redis.call('HGET', state, 'callSeq') end
local number = int(emit(arg()))
redis.call('HSET', state, 'callSeq', number)
return number
