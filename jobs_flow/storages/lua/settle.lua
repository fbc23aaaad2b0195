-- kind, path, detail.
local kind = arg()
redis.call('ZREM', kind == 'expired' and expiries or timers, timer(kind, arg(), arg()))
