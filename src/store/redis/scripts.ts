import { DELETIONS_MAX } from '../contract/limits.ts';

/**
 * What the store does inside Redis, as Lua scripts: each is one step that no other client can divide.
 *
 * Five keys with one hash tag, so that a Cluster keeps them on one server:
 * - `data`     hash, key → "version value"
 * - `index`    sorted set of the keys by their bytes, for lists by prefix
 * - `leases`   sorted set of leased keys by deadline, in ms of the server's clock
 * - `deleted`  sorted set of the last deleted keys by version: what is missing without being here was lost
 * - `version`  the newest version of any key
 *
 * A version is the server's time in µs, or one more than the newest: it grows even when the server was
 * emptied and when its clock went back. Every change is announced with the version before it, so that
 * who listens notices that something is missing between two notices. Each script first removes leases
 * that ran out; nobody needs to have noticed in time.
 */
export const KEY_NAMES = ['data', 'index', 'leases', 'deleted', 'version'] as const;
export const SCRATCH_NAMES = ['try:text', 'try:hash', 'try:set', 'try:stream'] as const;

/** Leases that one script removes at most: a script holds up the whole server. */
const SWEEP_MAX = 100;
/** One page of a list. */
const PAGE_ENTRIES_MAX = 500;
const PAGE_BYTES_MAX = 512 * 1024;
/** Keys asked for in one `deletions`. */
export const DELETIONS_PAGE = 500;

const PRELUDE = `
local data, index, leases, deleted, newest = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local channel = ARGV[1]
local time = redis.call('TIME')
local nowUs = tonumber(time[1]) * 1000000 + tonumber(time[2])
local nowMs = math.floor(nowUs / 1000)
local function text(number) return string.format('%.0f', number) end
local function last() return tonumber(redis.call('GET', newest) or '0') end
local function due()
  local first = redis.call('ZRANGE', leases, 0, 0, 'WITHSCORES')
  return first[2] and text(math.max(0, tonumber(first[2]) - nowMs)) or '-'
end
local function announce(sign, before, version, key, value)
  local head = sign .. ' ' .. text(before) .. ' ' .. text(version) .. ' ' .. due()
  redis.call('PUBLISH', channel, head .. '\\n' .. key .. '\\n' .. value)
end
local function versionOf(raw) return raw and tonumber(string.match(raw, '^%d+')) or 0 end
local function valueOf(raw) return string.match(raw, '^%d+ (.*)$') end
-- value false deletes; deadline makes it a lease
local function change(key, value, deadline)
  local before = last()
  local version = math.max(before + 1, nowUs)
  redis.call('SET', newest, text(version))
  if deadline then redis.call('ZADD', leases, deadline, key) else redis.call('ZREM', leases, key) end
  if value then
    redis.call('HSET', data, key, text(version) .. ' ' .. value)
    redis.call('ZADD', index, 0, key)
    redis.call('ZREM', deleted, key)
    announce('+', before, version, key, value)
  else
    redis.call('HDEL', data, key)
    redis.call('ZREM', index, key)
    redis.call('ZADD', deleted, version, key)
    redis.call('ZREMRANGEBYRANK', deleted, 0, -${DELETIONS_MAX + 1})
    announce('-', before, version, key, '')
  end
  return version
end
local lapsed = redis.call('ZRANGEBYSCORE', leases, '-inf', text(nowMs), 'LIMIT', 0, ${SWEEP_MAX})
for _, key in ipairs(lapsed) do change(key, false) end
`;

/** ARGV after the channel, and what comes back. Numbers travel as text: Lua would cut them. */
const BODIES = {
  /** key → "version value" or nil */
  fetch: `return redis.call('HGET', data, ARGV[2])`,

  /** key, expected version, '1' to write or '0' to delete, value → done, version */
  compareAndSet: `
local key, writes = ARGV[2], ARGV[4] == '1'
local current = versionOf(redis.call('HGET', data, key))
if current ~= tonumber(ARGV[3]) then return { 0, text(current) } end
if not writes and current == 0 then return { 1, '0' } end
local version = change(key, writes and ARGV[5])
return { 1, writes and text(version) or '0' }`,

  /** prefix, key to go on after ('' = from the first) → newest version, '1' if there is more, key, raw, … */
  list: `
local prefix, after = ARGV[2], ARGV[3]
local from = after == '' and '[' .. prefix or '(' .. after
local keys = redis.call('ZRANGEBYLEX', index, from, '(' .. prefix .. '\\255', 'LIMIT', 0, ${PAGE_ENTRIES_MAX})
local reply = { text(last()), #keys == ${PAGE_ENTRIES_MAX} and '1' or '0' }
if #keys == 0 then return reply end
local size = 0
for place, raw in ipairs(redis.call('HMGET', data, unpack(keys))) do
  reply[#reply + 1] = keys[place]
  reply[#reply + 1] = raw or ''
  size = size + #(raw or '')
  if size > ${PAGE_BYTES_MAX} and place < #keys then
    reply[2] = '1'
    break
  end
end
return reply`,

  /** keys → the version at which each was deleted, '0' when that is not known */
  deletions: `
local reply = {}
for place = 2, #ARGV do
  reply[place - 1] = redis.call('ZSCORE', deleted, ARGV[place])
  reply[place - 1] = reply[place - 1] and text(tonumber(reply[place - 1])) or '0'
end
return reply`,

  /** key, value, ms → nothing. A renewal is not news, unless it makes the earliest deadline earlier. */
  lease: `
local key, value, deadline = ARGV[2], ARGV[3], nowMs + tonumber(ARGV[4])
local raw = redis.call('HGET', data, key)
if not raw or not redis.call('ZSCORE', leases, key) or valueOf(raw) ~= value then
  change(key, value, deadline)
  return
end
local first = redis.call('ZRANGE', leases, 0, 0, 'WITHSCORES')
redis.call('ZADD', leases, deadline, key)
if deadline < tonumber(first[2]) then announce('.', last(), last(), '', '') end`,

  /**
   * newest version seen → newest version here, ms until the next lease runs out or '-', server time in µs.
   * Writes, so that a server that refuses writes is noticed. A server that knows less than was seen
   * lost something: its versions go on after what was seen, and all who listen are made to look.
   */
  tick: `
local here, seen = last(), tonumber(ARGV[2])
if seen > here then
  local raised = math.max(seen + 1, nowUs)
  redis.call('SET', newest, text(raised))
  announce('.', here, raised, '', '')
else
  redis.call('SET', newest, text(here))
end
return { text(here), due(), text(nowUs) }`,
} as const;

/**
 * Uses every command of the other scripts, on scratch keys that are gone afterwards: so that an ACL
 * user who may not do all of it is found out at once, with the name of the command, and not in the
 * middle of something. KEYS: text, hash, sorted set, stream; ARGV: channel.
 */
const REHEARSAL = `
local text, hash, set, stream = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local words = {
  { 'TIME' },
  { 'GET', text },
  { 'SET', text, 'a', 'PX', 1 },
  { 'HSET', hash, 'a', '1' },
  { 'HGET', hash, 'a' },
  { 'HMGET', hash, 'a' },
  { 'HDEL', hash, 'a' },
  { 'ZADD', set, 0, 'a' },
  { 'ZSCORE', set, 'a' },
  { 'ZRANGE', set, 0, 0 },
  { 'ZRANGEBYSCORE', set, '-inf', '+inf' },
  { 'ZRANGEBYLEX', set, '-', '+' },
  { 'ZREMRANGEBYRANK', set, 0, -2 },
  { 'ZREM', set, 'a' },
  { 'XADD', stream, 'NOMKSTREAM', 'MAXLEN', '=', 1, '*', 'a', '1' },
  { 'XRANGE', stream, '-', '+', 'COUNT', 1 },
  { 'PUBLISH', ARGV[1], '' },
}
for _, command in ipairs(words) do
  local reply = redis.pcall(unpack(command))
  if type(reply) == 'table' and reply.err then
    return redis.error_reply(reply.err .. ' (' .. command[1] .. ')')
  end
end
return 1`;

export type ScriptName = keyof typeof BODIES | 'rehearse';

/** As ioredis wants them: it sends the text once per connection and the hash afterwards. */
export const scripts: Readonly<
  Record<ScriptName, { readonly lua: string; readonly numberOfKeys: number }>
> = {
  ...(Object.fromEntries(
    Object.entries(BODIES).map(([name, body]) => [
      name,
      { lua: PRELUDE + body, numberOfKeys: KEY_NAMES.length },
    ]),
  ) as Record<keyof typeof BODIES, { lua: string; numberOfKeys: number }>),
  rehearse: { lua: REHEARSAL, numberOfKeys: SCRATCH_NAMES.length },
};
