/**
 * What the shared table of sessions does inside Redis. KEYS are the buckets of the sessions, one each; keys, values
 * and servers are octets as in sessions/session-record. Time is the server's: `TIME` is one for all nodes.
 */

/**
 * A hash with more fields is no longer one piece of memory (hash-max-listpack-entries, 512 by default in Redis
 * 6.2 to 8), and each session in it would cost five times as much. One field below it is room for the new one.
 */
export const BUCKET_SESSIONS_MAX = 511;
/** Each time a bucket has grown by so many, sessions that are over are taken out of it. */
const SWEEP_INTERVAL = 16;

/** ARGV: a key for each bucket → its value or nil, in order */
export const READ_SCRIPT = `
local reply = {}
for place, bucket in ipairs(KEYS) do
  reply[place] = redis.call('HGET', bucket, string.sub(ARGV[place], 3))
end
return reply`;

/**
 * ARGV: channel, then key, value, and the server that the session is believed to be on or '' for each bucket
 * → key, value, … of sessions that were found on other servers and stayed there.
 *
 * A session of another server changes only when the writer knew where it was, so that of two nodes that
 * choose at the same time one wins and the other hears of it; and that it moved, all hear.
 */
export const WRITE_SCRIPT = `
local now = tonumber(redis.call('TIME')[1])
local lost, moved = {}, {}
local function expiryOf(value) return (struct.unpack('>I4', value, 5)) end
-- Takes out what is over, and the session nearest its end when there is still no room.
local function sweep(bucket)
  local all = redis.call('HGETALL', bucket)
  local over, first, firstExpiry = {}, nil, nil
  for place = 1, #all, 2 do
    local expiry = #all[place + 1] == 8 and expiryOf(all[place + 1]) or 0
    if expiry <= now then over[#over + 1] = all[place] end
    if not firstExpiry or expiry < firstExpiry then first, firstExpiry = all[place], expiry end
  end
  if #over == 0 and #all / 2 >= ${BUCKET_SESSIONS_MAX} then over[1] = first end
  if #over > 0 then redis.call('HDEL', bucket, unpack(over)) end
end
for place, bucket in ipairs(KEYS) do
  local key, value, from = ARGV[3 * place - 1], ARGV[3 * place], ARGV[3 * place + 1]
  local field, server = string.sub(key, 3), string.sub(value, 1, 4)
  local before = redis.call('HGET', bucket, field)
  local known = before and #before == 8 and expiryOf(before) > now and string.sub(before, 1, 4)
  if known and known ~= server and known ~= from then
    lost[#lost + 1] = key
    lost[#lost + 1] = before
  elseif before ~= value then
    if not before then
      local count = redis.call('HLEN', bucket)
      if count >= ${BUCKET_SESSIONS_MAX} or count % ${SWEEP_INTERVAL} == ${SWEEP_INTERVAL - 1} then sweep(bucket) end
    end
    redis.call('HSET', bucket, field, value)
    -- A bucket that nobody writes to any more goes as a whole.
    local left = expiryOf(value) - now
    if redis.call('TTL', bucket) < left then redis.call('EXPIRE', bucket, left) end
    if known and known ~= server then moved[#moved + 1] = key .. value end
  end
end
if #moved > 0 then
  local digits = string.gsub(table.concat(moved), '.', function(octet)
    return string.format('%02x', string.byte(octet))
  end)
  redis.call('PUBLISH', ARGV[1], digits)
end
return lost`;
