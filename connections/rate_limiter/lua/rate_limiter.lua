-- The call budget of one app at one organisation: who may call now, and what answers said about the windows.
-- KEYS: the state (hash), the calls in flight (hash), the calls that ended lately (sorted set by their end).
-- ARGV: order, now ("" for this server's clock), limits (JSON), then what the order needs:
--   acquire  id priority -> {1} or {0, reason, seconds}
--   check    priority    -> the same, and no permit is taken
--   release  id outcome status minute_left day_left app_left problem retry_after
--   usage                -> what is left, as JSON
-- What makes it safe: of a window, whatever its start, the vendor can have counted at most
--   (a) the calls in flight, those that ended within its length, and what answers named beyond our own, and
--   (b) the highest count that an answer named, the calls without an answer, and the calls in flight.
-- The smaller of both stays below the limit. All the rest (when a window turns) only decides what is tried.

local STATE, IN_FLIGHT, LOG = KEYS[1], KEYS[2], KEYS[3]
local ORDER, LIMITS = ARGV[1], cjson.decode(ARGV[3])
local MINUTE, DAY = 60, 86400
local CLOCK_TOLERANCE = 2 -- seconds by which two clocks may disagree
local MIN_WAIT = 0.05 -- the least that a caller is told to wait
local SECOND_MARGIN = 0.1 -- seconds after the first call of a second is over: by then more than one permit is free
local RETENTION = DAY + 2 * 3600
local SERVICE_FLOOR = 0.1 -- of a minute's calls: what company work leaves to service work
local DOCUMENT_FLOOR = 0.5 -- of a minute's calls: what documents leave to posting, besides what it leaves itself
-- Of a day's calls: what each priority leaves. Documents, which strangers ask for, leave the most.
local DAY_RESERVES = { company = 0.1, service = 0.2, document = 0.4 }
local WAITING_GRACE = 6 -- seconds after its time until company work that was refused no longer goes first

local now = tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) + tonumber(time[2]) / 1000000
end

local kinds = { m = { name = 'minute', limit = LIMITS.minute, margin = LIMITS.minute_margin, span = MINUTE } }
if LIMITS.day > 0 then
  kinds.d = { name = 'day', limit = LIMITS.day, margin = LIMITS.day_margin, span = DAY }
end

-- ---- stored state ---------------------------------------------------------------------------

local state, changed = {}, {}
local raw = redis.call('HGETALL', STATE)
for i = 1, #raw, 2 do state[raw[i]] = tonumber(raw[i + 1]) or raw[i + 1] end

local function get(name) return state[name] or 0 end

local function set(name, value) state[name], changed[name] = value, true end

local function add(name, value) set(name, get(name) + value) end

local calls_in_flight, in_flight_count = {}, 0

local function record_end(id)
  add('answers', 1)
  redis.call('ZADD', LOG, now, id)
end

local function record_lost(id)
  add('lost', 1)
  set('lost_seq', get('seq'))
  record_end(id)
end

raw = redis.call('HGETALL', IN_FLIGHT)
for i = 1, #raw, 2 do
  local call = cmsgpack.unpack(raw[i + 1])
  if call.ends <= now then
    redis.call('HDEL', IN_FLIGHT, raw[i]) -- its worker died
    record_lost(raw[i])
  else
    calls_in_flight[raw[i]], in_flight_count = call, in_flight_count + 1
  end
end

local function save()
  for name in pairs(changed) do
    local value = state[name]
    if type(value) == 'number' then value = string.format('%.6f', value) end
    redis.call('HSET', STATE, name, value)
  end
  redis.call('ZREMRANGEBYSCORE', LOG, '-inf', now - MINUTE - CLOCK_TOLERANCE - 1)
  for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, RETENTION) end
end

local function start_minute()
  local past = now - get('rolled')
  if past < MINUTE and past >= 0 then return end
  set('interactive_calls_before', past < 2 * MINUTE and get('interactive_calls') or 0)
  set('interactive_calls', 0)
  set('service', 0)
  set('rolled', now)
end

-- ---- bounds ---------------------------------------------------------------------------------------

local function count_recent(seconds) return redis.call('ZCOUNT', LOG, now - seconds, '+inf') end

-- Calls of the running minute that are not ours, or that we forgot.
local function get_other_calls() return now - get('others_at') < MINUTE + CLOCK_TOLERANCE and get('others') or 0 end

-- When so many calls have ended long enough ago that fewer than `most` can still be in the running minute.
local function get_aging_time(most)
  local span = MINUTE + CLOCK_TOLERANCE
  local over = in_flight_count + count_recent(span) + get_other_calls() - most
  local past = redis.call('ZCOUNT', LOG, '-inf', string.format('(%.6f', now - span))
  local last = redis.call('ZRANGE', LOG, past + math.max(0, over), past + math.max(0, over), 'WITHSCORES')[2]
  return last and tonumber(last) + span or now + span
end

-- When calls of the last second will be over; nothing but calls in flight says nothing about that.
local function get_second_end()
  local first = redis.call('ZRANGEBYSCORE', LOG, now - 1, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
  return (first and tonumber(first) or now) + 1 + SECOND_MARGIN
end

local function is_cold() return LIMITS.headers == 1 and get('mat') == 0 end

local function count_used(k)
  local most = get(k .. 'seen') + get('lost') + in_flight_count
  if k == 'm' then
    return math.min(most, in_flight_count + count_recent(MINUTE + CLOCK_TOLERANCE) + get_other_calls())
  end
  if now - get('dat') > DAY + MINUTE then return in_flight_count end
  return most
end

-- From when to when the window may turn next, seen from the last call that we know of; nil while nothing is known.
local function get_turn_interval(k)
  local span, upper, ref = kinds[k].span, get(k .. 'hi'), get(k .. 'ref')
  if upper == 0 then return nil end
  local steps = math.max(0, math.floor((ref - upper) / span) + 1)
  return math.max(get(k .. 'lo') + steps * span, ref), upper + steps * span
end

-- ---- reserves for higher priorities ------------------------------------------------------

-- Calls of the minute that background work leaves to interactive work, and when it will leave fewer.
local function get_minute_reserve()
  local lower, upper = get_turn_interval('m')
  local interactive_calls = math.min(20, 3 * math.max(get('interactive_calls'), get('interactive_calls_before')))
  if not upper then return LIMITS.reserve + interactive_calls, now + MINUTE end
  if now >= upper then return 0, upper end
  local full = LIMITS.reserve + math.floor(interactive_calls * (upper - now) / MINUTE)
  -- One call in the middle of the interval in which the window may turn halves the uncertainty.
  local uncertainty, middle = upper - lower, (lower + upper) / 2
  if uncertainty > 2 then
    if now < middle then return full, middle end
    if in_flight_count == 0 then return math.ceil(LIMITS.reserve * 0.4), upper end
    return full, now + 0.2
  end
  if lower - now > 6 then return full, lower - 6 end
  if lower - now > 0.5 then return math.ceil(LIMITS.reserve * 0.6), lower - 0.5 end
  if uncertainty > 0.5 and now < middle then return 1, middle end
  return 0, upper
end

local function get_reserve(k, priority)
  if priority == 'interactive' then return 0, now end
  if k == 'm' then
    local reserve, later = get_minute_reserve()
    if priority == 'document' then reserve = reserve + math.floor(LIMITS.minute * DOCUMENT_FLOOR) end
    return reserve, later
  end
  local _, upper = get_turn_interval('d')
  local share = kinds.d.limit * DAY_RESERVES[priority]
  local left = upper and math.max(0, math.min(1, (upper - now) / DAY)) or 1
  return math.floor(share * left), now + DAY / share
end

-- Why the window has no call for this priority, and for how many seconds; nil when it has one.
local function find_window_refusal(k, priority)
  local kind, most = kinds[k], count_used(k)
  local _, upper = get_turn_interval(k)
  local turns = upper and now >= upper
  local stale = k == 'd' and now - get('dat') >= 3600
  local cap = (turns or stale) and kind.limit or kind.limit - kind.margin
  local reserve, later = get_reserve(k, priority)
  if stale then reserve = 0 end
  if most < cap - reserve then return nil end
  if most >= cap then
    later = upper and not turns and upper or now + (in_flight_count > 0 and 0.2 or MINUTE)
    if k == 'd' then later = math.min(later, get('dat') + 3600) end
  end
  if k == 'm' then later = math.min(later, get_aging_time(cap - reserve)) end
  return kind.name, later - now
end

local function find_first_refusal(priority)
  if now < get('blocked') then return state['blocked_kind'], get('blocked') - now end
  local most = priority == 'interactive' and LIMITS.in_flight or LIMITS.in_flight - 1
  if in_flight_count >= (is_cold() and 1 or most) then return 'concurrent', 0.2 end
  if LIMITS.second > 0 and in_flight_count + count_recent(1) >= LIMITS.second then
    return 'second', get_second_end() - now
  end
  if state['app_left'] and now - get('app_at') < MINUTE
      and get('app_left') < LIMITS.app_minute * (priority == 'interactive' and 0.01 or 0.05) then
    return 'appminute', get('app_at') + MINUTE - now
  end
  for _, k in ipairs({ 'd', 'm' }) do
    if kinds[k] then
      local reason, seconds = find_window_refusal(k, priority)
      if reason then return reason, seconds end
    end
  end
  local company_waits = now >= get('company_waiting_from') and now < get('company_waiting_until')
  if priority == 'document' and company_waits then
    return 'company', math.min(5, get('company_waiting_until') - now)
  end
  if priority == 'service' and company_waits and get('service') >= LIMITS.minute * SERVICE_FLOOR then
    return 'company', math.min(5, get('company_waiting_until') - now)
  end
  return nil
end

-- Why there is no call for this priority now, and after how many seconds there may be one; nil when there is.
local function find_refusal(priority)
  local reason, seconds = find_first_refusal(priority)
  return reason, reason and math.max(MIN_WAIT, seconds)
end

-- ---- what an answer says -----------------------------------------------------------------------

-- The window turned between `lower` and `upper`: with what was known before, that is known better.
local function record_window_turn(k, lower, upper)
  local span, before_lower, before_upper = kinds[k].span, get(k .. 'lo'), get(k .. 'hi')
  lower = math.max(lower, upper - span)
  if before_upper > 0 then
    local steps = math.floor((upper - before_lower) / span)
    for _, step in ipairs({ steps, steps - 1 }) do
      local low = math.max(lower, before_lower + step * span)
      local high = math.min(upper, before_upper + step * span)
      if low < high then
        set(k .. 'lo', low)
        set(k .. 'hi', high)
        return
      end
    end
  end
  set(k .. 'lo', lower)
  set(k .. 'hi', upper)
end

local function record_other_calls(count, turned)
  local found = math.max(0, count - in_flight_count - count_recent(MINUTE + CLOCK_TOLERANCE))
  if not turned and found < get_other_calls() then return end
  set('others', found)
  set('others_at', now)
end

local function record_remaining(k, call, left)
  local kind = kinds[k]
  local count = math.max(0, kind.limit - left)
  local during = get('answers') - call.answers - 1
  if get(k .. 'at') == 0 then
    record_window_turn(k, now - kind.span, now)
    set(k .. 'low', count)
    set(k .. 'low_at', call.sent)
    set(k .. 'ref', now)
    set(k .. 'seen', count)
    set(k .. 'at', now)
    if k == 'm' then record_other_calls(count, true) end
    return
  end
  -- Sent before the window turned, and more than the new window can hold: counted in the old one.
  if call.seq <= get(k .. 'turn_seq') and count > get(k .. 'seen') + get('lost') + in_flight_count + 1 then return end
  local turned = count <= call[k .. 'low']
  if k == 'm' then record_other_calls(count, turned) end
  if turned then
    record_window_turn(k, call[k .. 'low_at'], now)
    set(k .. 'low', count)
    set(k .. 'low_at', call.sent)
    set(k .. 'turn_seq', get('seq'))
    set(k .. 'ref', math.max(get(k .. 'ref'), now))
  else
    set(k .. 'low', math.max(get(k .. 'low'), count))
    set(k .. 'low_at', math.max(get(k .. 'low_at'), call.sent))
    set(k .. 'ref', math.max(get(k .. 'ref'), call.sent))
  end
  set(k .. 'seen', math.min(math.max(get(k .. 'seen'), count), count + during + in_flight_count))
  set(k .. 'at', now)
end

-- The vendor answered 429: no calls until then.
local function record_429(problem, seconds)
  set('blocked', math.max(get('blocked'), now + seconds))
  set('blocked_kind', problem)
  for k, kind in pairs(kinds) do
    if kind.name == problem then
      set(k .. 'seen', kind.limit - 1) -- one call may find out whether it is over then
      set(k .. 'hi', now + seconds - kind.span)
      set(k .. 'lo', now + seconds - kind.span - 1.5)
      set(k .. 'ref', now)
    end
  end
end

-- ---- orders -----------------------------------------------------------------------------------

local function acquire(id, priority)
  local reason, seconds = find_refusal(priority)
  if reason then
    if priority ~= 'service' and priority ~= 'document' and reason ~= 'concurrent' then
      set('company_waiting_from', now + seconds - 1)
      set('company_waiting_until', now + seconds + WAITING_GRACE)
    end
    set('refused_until', now + seconds)
    set('refused_kind', reason)
    set('refused_priority', priority)
    return { 0, reason, string.format('%.3f', seconds) }
  end
  add('seq', 1)
  if priority == 'interactive' then add('interactive_calls', 1) end
  if priority == 'service' then add('service', 1) end
  local call = { ends = now + LIMITS.lease, seq = get('seq'), sent = now, answers = get('answers') }
  for k in pairs(kinds) do
    call[k .. 'low'], call[k .. 'low_at'] = get(k .. 'low'), get(k .. 'low_at')
  end
  redis.call('HSET', IN_FLIGHT, id, cmsgpack.pack(call))
  return { 1 }
end

local function release(id, outcome, status, left, problem, seconds)
  local call = calls_in_flight[id]
  if call then
    redis.call('HDEL', IN_FLIGHT, id)
    calls_in_flight[id], in_flight_count = nil, in_flight_count - 1
    if outcome == 'unsent' then return { 1 } end
    if status == 429 then
      record_end(id) -- not counted by the vendor, and what it names is not this call's own place
    elseif left.m or (kinds.d and left.d) then
      record_end(id)
      for k in pairs(kinds) do
        if left[k] then record_remaining(k, call, left[k]) end
      end
      if call.seq > get('lost_seq') then set('lost', 0) end
    else
      record_lost(id)
    end
  end
  if left.app then
    set('app_left', left.app)
    set('app_at', now)
  end
  if status == 429 then record_429(problem, seconds) end
  return { call and 1 or 0 }
end

local function usage()
  local result = { in_flight = in_flight_count, known = is_cold() and 0 or 1 }
  result.blocked = math.max(0, get('blocked') - now)
  for k, kind in pairs(kinds) do
    local _, upper = get_turn_interval(k)
    local over = upper and now >= upper and in_flight_count == 0
    result[k] = over and kind.limit or math.max(0, kind.limit - count_used(k))
    result[k .. 'turns'] = upper and upper - now or 0
  end
  result.blocked_kind = state['blocked_kind']
  if now < get('refused_until') then
    result.refused, result.refused_priority = state['refused_kind'], state['refused_priority']
  end
  return cjson.encode(result)
end

start_minute()
local answer
if ORDER == 'acquire' then
  answer = acquire(ARGV[4], ARGV[5])
elseif ORDER == 'check' then
  local reason, seconds = find_refusal(ARGV[4])
  answer = reason and { 0, reason, string.format('%.3f', seconds) } or { 1 }
elseif ORDER == 'release' then
  local left = { m = tonumber(ARGV[7]), d = tonumber(ARGV[8]), app = tonumber(ARGV[9]) }
  answer = release(ARGV[4], ARGV[5], tonumber(ARGV[6]), left, ARGV[10], tonumber(ARGV[11]) or MINUTE)
else
  answer = usage()
end
save()
return answer
