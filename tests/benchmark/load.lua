-- The requests of every row, for wrk. The one argument is a Lua file, written by wrk.py, that returns
-- the kind of request and what it varies; n counts the requests, so that no two are the same.

local data
local n = 0
local threads = 0

local function now()
  return os.time() * 1000 + n % 1000
end

local function pick(list)
  return list[n % #list + 1]
end

local function post(path, body)
  return wrk.format("POST", "/api/2.0/mlflow/" .. path, nil, body)
end

local function get(path)
  return wrk.format("GET", "/api/2.0/mlflow/" .. path)
end

local function random_bytes(count)
  local bytes = {}
  for place = 1, count do
    bytes[place] = string.char(math.random(0, 255))
  end
  return table.concat(bytes)
end

local function hex(bytes)
  return (bytes:gsub(".", function(byte) return string.format("%02x", byte:byte()) end))
end

-- As protobuf has it.
local function fixed64(number)
  local bytes = {}
  for place = 1, 8 do
    bytes[place] = string.char(number % 256)
    number = math.floor(number / 256)
  end
  return table.concat(bytes)
end

local function new_trace()
  local id = random_bytes(16)
  local begin = data.begin or now()
  return {
    id = id, hex = hex(id), begin = fixed64(begin * 1e6), ["end"] = fixed64((begin + 48) * 1e6),
    time = os.date("!%Y-%m-%dT%H:%M:%S", math.floor(begin / 1000))
      .. string.format(".%03dZ", begin % 1000)
  }
end

local function filled(pieces, trace)
  local parts = {}
  for place, piece in ipairs(pieces) do
    parts[place] = piece.text or trace[piece.slot]
  end
  return table.concat(parts)
end

local make = {}

make["log-metric"] = function()
  return post("runs/log-metric", string.format(
    '{"run_id":"%s","run_uuid":"%s","key":"loss","value":%.12f,"timestamp":%d,"step":%d}',
    pick(data.runs), data.runs[n % #data.runs + 1], math.random(), now(), data.first + n))
end

make["log-batch"] = function()
  local time, step, metrics = now(), data.first + n, {}
  for key = 1, data.size do
    metrics[key] = string.format(
      '{"key":"metric_%d","value":%.12f,"timestamp":%d,"step":%d}', key, math.random(), time, step)
  end
  return post("runs/log-batch", string.format(
    '{"run_id":"%s","metrics":[%s],"params":[],"tags":[]}',
    pick(data.runs), table.concat(metrics, ",")))
end

make["create-run"] = function()
  local name = string.format("run-%d", data.first + n)
  return post("runs/create", string.format(
    '{"experiment_id":"%s","user_id":"someone","start_time":%d,"run_name":"%s","tags":['
    .. '{"key":"mlflow.user","value":"someone"},{"key":"mlflow.source.name","value":"train.py"},'
    .. '{"key":"mlflow.source.type","value":"LOCAL"},{"key":"mlflow.runName","value":"%s"}]}',
    data.experiment, now(), name, name))
end

make["get-run"] = function()
  return get("runs/get?run_id=" .. pick(data.runs))
end

make["search"] = function()
  return post("runs/search", string.format(
    '{"experiment_ids":["%s"],"max_results":100,"run_view_type":"ACTIVE_ONLY",'
    .. '"filter":"attributes.start_time > %d","order_by":["attributes.start_time DESC"]}',
    data.experiment, data.first + n))
end

make["search-filtered"] = function()
  return post("runs/search", string.format(
    '{"experiment_ids":["%s"],"max_results":100,"run_view_type":"ACTIVE_ONLY",'
    .. '"filter":"metrics.metric_0 > 0.%07d and params.param_0 = \'adam\'",'
    .. '"order_by":["metrics.metric_1 DESC"]}',
    data.experiment, (data.first + n * 7919) % 5000000))
end

make["history"] = function()
  return get("metrics/get-history?metric_key=loss&run_id=" .. pick(data.runs))
end

make["registry-search"] = function()
  return get("registered-models/search?max_results=100&filter=name%20LIKE%20%27"
    .. pick(data.patterns) .. "%27")
end

-- The requests of one trace after the other, or of some that are sent together; see trace_bodies.py.
local traces

make["traces"] = function()
  local step = (n - 1) % #data.sequence + 1
  if step == 1 then
    traces = {}
    for place = 1, data.together do
      traces[place] = new_trace()
    end
  end
  local each, bodies = data.sequence[step], {}
  for place, trace in ipairs(traces) do
    bodies[place] = filled(each.pieces, trace)
  end
  return wrk.format("POST", each.path, each.headers, table.concat(bodies))
end

make["trace-search"] = function()
  return wrk.format("POST", "/api/3.0/mlflow/traces/search", nil, string.format(
    '{"locations":[{"type":"MLFLOW_EXPERIMENT","mlflow_experiment":{"experiment_id":"%s"}}],'
    .. '"max_results":100,"filter":"timestamp_ms > %d","order_by":["timestamp_ms DESC"]}',
    data.experiment, data.first + n))
end

make["root"] = function()
  return wrk.format("GET", string.format("/?n=%d", n))
end

make["root-post"] = function()
  return wrk.format("POST", "/", nil, string.format('{"key":"loss","value":%.12f}', math.random()))
end

make["put-file"] = function()
  return wrk.format("PUT", string.format("%s/%d-%d", data.folder, data.first, n), nil, data.body)
end

make["get-file"] = function()
  return wrk.format("GET", pick(data.paths))
end

make["prepared"] = function()
  local each = pick(data.requests)
  return wrk.format(each.method, each.path, each.headers, each.body)
end

function setup(thread)
  thread:set("thread_number", threads)
  threads = threads + 1
end

function init(args)
  data = dofile(args[1])
  if data.length then
    data.body = string.rep("0123456789abcdef", math.ceil(data.length / 16)):sub(1, data.length)
  end
  wrk.headers["Content-Type"] = data.body and "application/octet-stream" or "application/json"
  for name, value in pairs(data.headers or {}) do
    wrk.headers[name] = value
  end
  math.randomseed(os.time() * 64 + thread_number)
end

function request()
  n = n + 1
  return make[data.kind]()
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"refused":%d,"broken":%d,"seconds":%.6f,"p50_ms":%.3f,"p99_ms":%.3f}\n',
    summary.requests, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
