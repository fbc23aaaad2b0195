-- ids. Returns the header of each, false for those that are not there.
local found = {}
for i, owner in ipairs(arg_list()) do
  id, header, state = owner, prefix .. 'workflow_' .. owner, prefix .. 'workflowState_' .. owner
  local read = read_header()
  found[i] = #read[1] > 0 and read or false
end
return found
