-- Paths. Returns what each hands on.
return read_inputs(arg_list())
