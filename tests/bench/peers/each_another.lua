-- Requests of which no two say the same.
local count = 0

request = function()
  count = count + 1
  wrk.headers["X-Request"] = string.format("%016x", count)
  return wrk.format("GET", "/each?" .. count)
end
