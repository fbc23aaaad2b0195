-- kind, path, detail.
redis.call('ZREM', timers, timer(arg(), arg(), arg()))
