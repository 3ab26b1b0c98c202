-- The call budget of one app at one organisation: who may call now, and what answers taught about the windows.
-- KEYS: the state (hash), the calls in flight (hash), the calls that ended lately (sorted set by their end).
-- ARGV: order, now ("" for this server's clock), limits (JSON), then what the order needs:
--   take  id lane        -> {1} or {0, reason, seconds}
--   room  lane           -> the same, and nothing is taken
--   end   id outcome status minute_left day_left app_left problem retry_after
--   look                 -> what people see
-- What makes it safe: of a window, whatever its start, the vendor can have counted at most
--   (a) the calls in flight, those that ended within its length, and what answers named beyond our own, and
--   (b) the highest count that an answer named, the calls without an answer, and the calls in flight.
-- The smaller of both stays below the limit. All the rest (when a window turns) only decides what is tried.

local STATE, FLIGHTS, LOG = KEYS[1], KEYS[2], KEYS[3]
local ORDER, LIMITS = ARGV[1], cjson.decode(ARGV[3])
local MINUTE, DAY = 60, 86400
local GUARD = 2 -- seconds by which two clocks may disagree
local SOON = 0.05 -- seconds after which asking again is not too early
local ROOM = 0.1 -- seconds after the first call of a second is over: by then more than one place is free again
local KEEP = DAY + 2 * 3600
local SERVICE_FLOOR = 0.1 -- of a minute's calls: what company work leaves to service work
local GRACE = 6 -- seconds after its time until work that was sent away is no longer waited for

local now = tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) + tonumber(time[2]) / 1000000
end

local kinds = { m = { name = 'minute', limit = LIMITS.minute, margin = LIMITS.minute_margin, span = MINUTE } }
if LIMITS.day > 0 then
  kinds.d = { name = 'day', limit = LIMITS.day, margin = LIMITS.day_margin, span = DAY }
end

-- ---- what is remembered ---------------------------------------------------------------------------

local state, changed = {}, {}
local raw = redis.call('HGETALL', STATE)
for i = 1, #raw, 2 do state[raw[i]] = tonumber(raw[i + 1]) or raw[i + 1] end

local function get(name) return state[name] or 0 end

local function set(name, value) state[name], changed[name] = value, true end

local function add(name, value) set(name, get(name) + value) end

local flights, flying = {}, 0

local function ended(id)
  add('answers', 1)
  redis.call('ZADD', LOG, now, id)
end

local function lost(id)
  add('lost', 1)
  set('lost_seq', get('seq'))
  ended(id)
end

raw = redis.call('HGETALL', FLIGHTS)
for i = 1, #raw, 2 do
  local flight = cmsgpack.unpack(raw[i + 1])
  if flight.ends <= now then
    redis.call('HDEL', FLIGHTS, raw[i]) -- its worker died
    lost(raw[i])
  else
    flights[raw[i]], flying = flight, flying + 1
  end
end

local function save()
  for name in pairs(changed) do
    local value = state[name]
    if type(value) == 'number' then value = string.format('%.6f', value) end
    redis.call('HSET', STATE, name, value)
  end
  redis.call('ZREMRANGEBYSCORE', LOG, '-inf', now - MINUTE - GUARD - 1)
  for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, KEEP) end
end

local function roll()
  local past = now - get('rolled')
  if past < MINUTE and past >= 0 then return end
  set('before', past < 2 * MINUTE and get('people') or 0)
  set('people', 0)
  set('service', 0)
  set('rolled', now)
end

-- ---- bounds ---------------------------------------------------------------------------------------

local function recent(seconds) return redis.call('ZCOUNT', LOG, now - seconds, '+inf') end

-- Calls of the running minute that are not ours, or that we forgot.
local function others() return now - get('others_at') < MINUTE + GUARD and get('others') or 0 end

-- When so many calls have ended long enough ago that fewer than `most` can still be in the running minute.
local function aged(most)
  local span = MINUTE + GUARD
  local over = flying + recent(span) + others() - most
  local past = redis.call('ZCOUNT', LOG, '-inf', string.format('(%.6f', now - span))
  local last = redis.call('ZRANGE', LOG, past + math.max(0, over), past + math.max(0, over), 'WITHSCORES')[2]
  return last and tonumber(last) + span or now + span
end

-- When calls of the last second will be over; nothing but calls in flight says nothing about that.
local function second_over()
  local first = redis.call('ZRANGEBYSCORE', LOG, now - 1, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
  return (first and tonumber(first) or now) + 1 + ROOM
end

local function is_cold() return LIMITS.headers == 1 and get('mat') == 0 end

local function used(k)
  local most = get(k .. 'seen') + get('lost') + flying
  if k == 'm' then return math.min(most, flying + recent(MINUTE + GUARD) + others()) end
  if now - get('dat') > DAY + MINUTE then return flying end
  return most
end

-- From when to when the window may turn next, seen from the last call that we know of; nil while nothing is known.
local function turn(k)
  local span, upper, ref = kinds[k].span, get(k .. 'hi'), get(k .. 'ref')
  if upper == 0 then return nil end
  local steps = math.max(0, math.floor((ref - upper) / span) + 1)
  return math.max(get(k .. 'lo') + steps * span, ref), upper + steps * span
end

-- ---- how much is kept for those who go first ------------------------------------------------------

-- Calls of the minute that background work leaves to people, and when it will leave fewer.
local function minute_reserve()
  local lower, upper = turn('m')
  local lively = math.min(20, 3 * math.max(get('people'), get('before')))
  if not upper then return LIMITS.reserve + lively, now + MINUTE end
  if now >= upper then return 0, upper end
  local full = LIMITS.reserve + math.floor(lively * (upper - now) / MINUTE)
  -- One call in the middle of the time in which the window may turn halves the doubt about when it does.
  local doubt, middle = upper - lower, (lower + upper) / 2
  if doubt > 2 then
    if now < middle then return full, middle end
    if flying == 0 then return math.ceil(LIMITS.reserve * 0.4), upper end
    return full, now + 0.2
  end
  if lower - now > 6 then return full, lower - 6 end
  if lower - now > 0.5 then return math.ceil(LIMITS.reserve * 0.6), lower - 0.5 end
  if doubt > 0.5 and now < middle then return 1, middle end
  return 0, upper
end

local function reserve_of(k, lane)
  if lane == 'interactive' then return 0, now end
  if k == 'm' then return minute_reserve() end
  local _, upper = turn('d')
  local share = kinds.d.limit * (lane == 'company' and 0.1 or 0.2)
  local left = upper and math.max(0, math.min(1, (upper - now) / DAY)) or 1
  return math.floor(share * left), now + DAY / share
end

-- Why the window has no call for this lane, and for how many seconds; nil when it has.
local function window_refusal(k, lane)
  local kind, most = kinds[k], used(k)
  local _, upper = turn(k)
  local turns = upper and now >= upper
  local stale = k == 'd' and now - get('dat') >= 3600
  local cap = (turns or stale) and kind.limit or kind.limit - kind.margin
  local reserve, later = reserve_of(k, lane)
  if stale then reserve = 0 end
  if most < cap - reserve then return nil end
  if most >= cap then
    later = upper and not turns and upper or now + (flying > 0 and 0.2 or MINUTE)
    if k == 'd' then later = math.min(later, get('dat') + 3600) end
  end
  if k == 'm' then later = math.min(later, aged(cap - reserve)) end
  return kind.name, later - now
end

local function judge(lane)
  if now < get('blocked') then return state['blocked_kind'], get('blocked') - now end
  local most = lane == 'interactive' and LIMITS.in_flight or LIMITS.in_flight - 1
  if flying >= (is_cold() and 1 or most) then return 'concurrent', 0.2 end
  if LIMITS.second > 0 and flying + recent(1) >= LIMITS.second then return 'second', second_over() - now end
  if state['app_left'] and now - get('app_at') < MINUTE
      and get('app_left') < LIMITS.app_minute * (lane == 'interactive' and 0.01 or 0.05) then
    return 'appminute', get('app_at') + MINUTE - now
  end
  for _, k in ipairs({ 'd', 'm' }) do
    if kinds[k] then
      local reason, seconds = window_refusal(k, lane)
      if reason then return reason, seconds end
    end
  end
  if lane == 'service' and now >= get('wanted_from') and now < get('wanted') and get('service') >= LIMITS.minute * SERVICE_FLOOR then
    return 'company', math.min(5, get('wanted') - now)
  end
  return nil
end

-- Why there is no call for this lane now, and after how many seconds there may be one; nil when there is.
local function refusal(lane)
  local reason, seconds = judge(lane)
  return reason, reason and math.max(SOON, seconds)
end

-- ---- what an answer teaches -----------------------------------------------------------------------

-- The window turned between `lower` and `upper`: with what was known before, that is known better.
local function note_turn(k, lower, upper)
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

local function note_others(count, turned)
  local found = math.max(0, count - flying - recent(MINUTE + GUARD))
  if not turned and found < others() then return end
  set('others', found)
  set('others_at', now)
end

local function learn(k, flight, left)
  local kind = kinds[k]
  local count = math.max(0, kind.limit - left)
  local during = get('answers') - flight.answers - 1
  if get(k .. 'at') == 0 then
    note_turn(k, now - kind.span, now)
    set(k .. 'low', count)
    set(k .. 'low_at', flight.sent)
    set(k .. 'ref', now)
    set(k .. 'seen', count)
    set(k .. 'at', now)
    if k == 'm' then note_others(count, true) end
    return
  end
  -- Sent before the window turned, and more than the new window can hold: counted in the old one.
  if flight.seq <= get(k .. 'turn_seq') and count > get(k .. 'seen') + get('lost') + flying + 1 then return end
  local turned = count <= flight[k .. 'low']
  if k == 'm' then note_others(count, turned) end
  if turned then
    note_turn(k, flight[k .. 'low_at'], now)
    set(k .. 'low', count)
    set(k .. 'low_at', flight.sent)
    set(k .. 'turn_seq', get('seq'))
    set(k .. 'ref', math.max(get(k .. 'ref'), now))
  else
    set(k .. 'low', math.max(get(k .. 'low'), count))
    set(k .. 'low_at', math.max(get(k .. 'low_at'), flight.sent))
    set(k .. 'ref', math.max(get(k .. 'ref'), flight.sent))
  end
  set(k .. 'seen', math.min(math.max(get(k .. 'seen'), count), count + during + flying))
  set(k .. 'at', now)
end

-- The vendor said no: until then nobody asks.
local function heed(problem, seconds)
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

-- ---- the orders -----------------------------------------------------------------------------------

local function take(id, lane)
  local reason, seconds = refusal(lane)
  if reason then
    if lane ~= 'service' and reason ~= 'concurrent' then
      set('wanted_from', now + seconds - 1)
      set('wanted', now + seconds + GRACE)
    end
    set('refused_until', now + seconds)
    set('refused_kind', reason)
    set('refused_lane', lane)
    return { 0, reason, string.format('%.3f', seconds) }
  end
  add('seq', 1)
  if lane == 'interactive' then add('people', 1) end
  if lane == 'service' then add('service', 1) end
  local flight = { ends = now + LIMITS.lease, seq = get('seq'), sent = now, answers = get('answers') }
  for k in pairs(kinds) do
    flight[k .. 'low'], flight[k .. 'low_at'] = get(k .. 'low'), get(k .. 'low_at')
  end
  redis.call('HSET', FLIGHTS, id, cmsgpack.pack(flight))
  return { 1 }
end

local function finish(id, outcome, status, left, problem, seconds)
  local flight = flights[id]
  if flight then
    redis.call('HDEL', FLIGHTS, id)
    flights[id], flying = nil, flying - 1
    if outcome == 'unsent' then return { 1 } end
    if status == 429 then
      ended(id) -- not counted by the vendor, and what it names is not this call's own place
    elseif left.m or (kinds.d and left.d) then
      ended(id)
      for k in pairs(kinds) do
        if left[k] then learn(k, flight, left[k]) end
      end
      if flight.seq > get('lost_seq') then set('lost', 0) end
    else
      lost(id)
    end
  end
  if left.app then
    set('app_left', left.app)
    set('app_at', now)
  end
  if status == 429 then heed(problem, seconds) end
  return { flight and 1 or 0 }
end

local function look()
  local seen = { flying = flying, known = is_cold() and 0 or 1, blocked = math.max(0, get('blocked') - now) }
  for k, kind in pairs(kinds) do
    local _, upper = turn(k)
    local over = upper and now >= upper and flying == 0
    seen[k] = over and kind.limit or math.max(0, kind.limit - used(k))
    seen[k .. 'turns'] = upper and upper - now or 0
  end
  seen.blocked_kind = state['blocked_kind']
  if now < get('refused_until') then
    seen.refused, seen.refused_lane = state['refused_kind'], state['refused_lane']
  end
  return cjson.encode(seen)
end

roll()
local answer
if ORDER == 'take' then
  answer = take(ARGV[4], ARGV[5])
elseif ORDER == 'room' then
  local reason, seconds = refusal(ARGV[4])
  answer = reason and { 0, reason, string.format('%.3f', seconds) } or { 1 }
elseif ORDER == 'end' then
  local left = { m = tonumber(ARGV[7]), d = tonumber(ARGV[8]), app = tonumber(ARGV[9]) }
  answer = finish(ARGV[4], ARGV[5], tonumber(ARGV[6]), left, ARGV[10], tonumber(ARGV[11]) or MINUTE)
else
  answer = look()
end
save()
return answer
