-- kind, path, detail, milliseconds.
local kind = arg()
local member = timer(kind, arg(), arg())
redis.call('ZADD', kind == 'expired' and expiries or timers, 'XX', int(server_time() + tonumber(arg())), member)
