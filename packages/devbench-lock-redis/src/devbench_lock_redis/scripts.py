"""What the server does in one step each: taking, renewing and giving back.

A key has a *lease* (``OWNER TOKEN``, which expires), a *queue* of those who wait (by their arrival), and for each of
them until when he counts as *alive*. The highest token of all keys lasts.
"""

from __future__ import annotations

import hashlib

import attrs


@attrs.frozen
class Script:
    """A Lua script and the name under which the server keeps it."""

    text: str
    sha: str


def script(text: str) -> Script:
    """Return a script by its text."""
    return Script(text, hashlib.sha1(text.encode()).hexdigest())  # noqa: S324 - Redis names scripts so


_HEAD = """
local function head(queue, alive, now_ms)
  for _, dead in ipairs(redis.call('ZRANGEBYSCORE', alive, '-inf', '(' .. now_ms)) do
    redis.call('ZREM', alive, dead)
    redis.call('ZREM', queue, dead)
  end
  return redis.call('ZRANGE', queue, 0, 0)[1]
end

local function now_us()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

local function wake(prefix, waiter)
  redis.pcall('PUBLISH', prefix .. string.match(waiter, '^[^/]+'), waiter)
end

local function text(number)
  return string.format('%.0f', number)
end
"""

ACQUIRE = script(
    _HEAD
    + """
-- KEYS: lease, queue, alive, token. ARGV: owner, ttl_ms, floor, place_ms (0 for not waiting), channels' prefix
local lease, queue, alive, last = unpack(KEYS)
local owner, ttl_ms, floor, place_ms = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local now = now_us()
local now_ms = math.floor(now / 1000)
local held = redis.call('GET', lease)
if held then
  local by, token = string.match(held, '^(%S+) (%d+)$')
  if by == owner then  -- asked again, because the answer was lost
    redis.call('PEXPIRE', lease, ttl_ms)
    return {tonumber(token), 0}
  end
end
local first = head(queue, alive, text(now_ms))
if held or (first and first ~= owner) then
  if place_ms > 0 then
    redis.call('ZADD', queue, 'NX', text(now), owner)
    redis.call('ZADD', alive, text(now_ms + place_ms), owner)
    redis.call('PEXPIRE', queue, text(place_ms))
    redis.call('PEXPIRE', alive, text(place_ms))
  end
  if not held then
    wake(ARGV[5], first)
    return {0, 0}
  end
  return {0, redis.call('PTTL', lease)}
end
local token = math.max(now, tonumber(redis.call('GET', last) or '0') + 1, floor + 1)
redis.call('SET', last, text(token))
redis.call('SET', lease, owner .. ' ' .. text(token), 'PX', ttl_ms)
redis.call('ZREM', queue, owner)
redis.call('ZREM', alive, owner)
return {token, 0}
"""
)
"""Returns the token, 0 when the key is not to be had, and then how many milliseconds its lease has left."""

RENEW = script("""
-- KEYS: lease. ARGV: the lease, ttl_ms
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
""")
"""Returns 1, or 0 when the lease is no longer ours."""

RELEASE = script(
    _HEAD
    + """
-- KEYS: lease, queue, alive. ARGV: owner, channels' prefix
local lease, queue, alive = unpack(KEYS)
local released = 0
local held = redis.call('GET', lease)
if held and string.match(held, '^%S+') == ARGV[1] then
  redis.call('DEL', lease)
  released = 1
  held = false
end
redis.call('ZREM', queue, ARGV[1])
redis.call('ZREM', alive, ARGV[1])
if not held then
  local next = head(queue, alive, text(math.floor(now_us() / 1000)))
  if next then
    wake(ARGV[2], next)
  end
end
return released
"""
)
"""Gives the lease or the place in the queue back, and wakes who is next. Returns whether there was a lease of ours."""
