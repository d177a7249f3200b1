"""The scheduling core: pure decisions about which task may run.

Nothing here runs a task, starts a thread, reads a clock, waits, or talks. It works on
integer ids: `Plan` is what a graph looks like, `Machine` is where one run stands, and
`states` says which moves are legal.
"""
