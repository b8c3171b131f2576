-- Requests in turn, from a file with a path and a token on each line.
local requests = {}

init = function(args)
  for line in io.lines(args[1]) do
    local path, token = line:match('(%S+) (%S+)')
    requests[#requests + 1] = wrk.format('GET', path, {
      ['X-Auth-Token'] = token, ['Host'] = wrk.headers['Host']})
  end
end

local turn = 0
request = function()
  turn = turn % #requests + 1
  return requests[turn]
end

-- What wrk has measured, as a line of JSON; latencies are in milliseconds.
done = function(summary, latency, requests)
  io.write(string.format(
    '{"p50": %.3f, "p99": %.3f, "rate": %.1f, "requests": %d, "broken": %d}\n',
    latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    summary.requests / (summary.duration / 1000000), summary.requests,
    summary.errors.connect + summary.errors.read + summary.errors.write
      + summary.errors.timeout))
end
