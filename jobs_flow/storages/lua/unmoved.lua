-- In a cluster, before every script: nothing is done while the slot of the keys is on its way from one node to another.
-- Either node has a part of the keys then, and a script would fail midway, or take what is elsewhere for missing.
-- Of keys that are nowhere the server says 0 at other times.
local moving = redis.pcall('EXISTS', ARGV[1] .. 'workflowNowhere', ARGV[1] .. 'workflowNowhereElse')
if type(moving) == 'table' then return redis.error_reply('TRYAGAIN the keys are moving to another node: ' .. moving.err) end
