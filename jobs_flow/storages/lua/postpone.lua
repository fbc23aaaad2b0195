-- kind, path, detail, milliseconds.
local member = timer(arg(), arg(), arg())
redis.call('ZADD', timers, 'XX', int(server_time() + tonumber(arg())), member)
