# Read by ./cowslip gdb before it attaches to the machine.
set confirm off
set pagination off
set print pretty on
set disassemble-next-line auto
# Assembly has no unwind information: a backtrace that starts there must not run on for ever.
set backtrace limit 64
set breakpoint pending off
