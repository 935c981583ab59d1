# Read by ./cowslip gdb (-ix: before the kernel is attached to).
set pagination off
set confirm off
set print pretty on
set disassemble-next-line auto
