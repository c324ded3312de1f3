"""An event loop that shares its thread with scrapes: how long it stalls, and what that costs in response time."""
