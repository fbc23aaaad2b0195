-- An event that changes no record, as JSON. Returns its number, false without such an instance.
if redis.call('EXISTS', header) == 0 then return false end
return int(emit(arg()))
