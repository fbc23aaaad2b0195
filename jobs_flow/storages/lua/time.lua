-- Returns the server's time, in milliseconds.
return int(server_time())
