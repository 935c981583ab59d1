# with: lua5.4
# Debian's lua: numbers, strings, tables, coroutines, files, processes.
cat > t.lua <<'END'
print(_VERSION, 2^53, 10 // 3, 7 % -3, 1e308 * 10, -(0/0) ~= 0/0, math.maxinteger, 3 | 4)
print(string.format("%5.2f|%x|%q|%s", 3.14159, 255, "a\nb", true), ("x"):rep(10, ","), ("hello world"):gsub("o", "0"))
local t = {}
for i = 1, 1000 do t[i] = (i * 7919) % 1009 end
table.sort(t)
print(t[1], t[500], t[1000], #t, table.concat(t, " ", 1, 8))
local co = coroutine.wrap(function(a) for i = 1, 3 do a = coroutine.yield(a + i) end return "end" end)
print(co(10), co(20), co(30), co(40))
print(pcall(error, { code = 2 }), select("#", pcall(error)))
local f = assert(io.open("file", "w"))
for i = 1, 5000 do f:write("line ", i, "\n") end
f:close()
local n, bytes = 0, 0
for line in io.lines("file") do n = n + 1; bytes = bytes + #line end
print(n, bytes)
f = io.open("file", "r+")
f:seek("set", 100); print(f:read(10)); f:seek("end", -9); print(f:read("l")); f:seek("set", 0); f:write("LINE"); f:close()
print(io.open("file"):read("l"), io.open("missing"))
print(os.rename("file", "other"), os.remove("other"), os.remove("other"))
local p = io.popen("echo from a pipe; exit 3"); print(p:read("a"), p:close())
print(os.execute("exit 5")); print(os.execute("kill -9 $$"))
print(os.date("!%Y-%m-%d %H:%M:%S", 86400), os.getenv("NOTHING"), os.time{year=2020, month=1, day=1, hour=12} > 0)
local s = 0
for i = 1, 2000000 do s = (s * 31 + i) % 1000003 end
print(s, collectgarbage("count") > 0)
local big = {} for i = 1, 200000 do big[i] = { i, tostring(i) } end
print(#big, big[199999][2]); big = nil; collectgarbage()
END
lua5.4 t.lua; echo $?
echo 'print(...) error("failed")' | lua5.4 - a b 2>&1; echo $?
