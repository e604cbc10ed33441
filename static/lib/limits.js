// The numbers of an account's pace: how its settings' fields and the API's limits become each other.

/** Fields of `limits` that are one whole number. */
export const NUMBERS = ["perMinute", "dailyLimitFrom", "dailyLimitTo", "warmupDays", "restAfter"];
/** Those that are a span, in milliseconds there and in seconds here. */
export const SPANS = ["delayMs", "restMs"];

/** What holds where a field is empty, unless the server's settings say otherwise. */
export const DEFAULTS = {
  limited: { perMinute: 20, dailyLimitFrom: 500, dailyLimitTo: 1000, warmupDays: 7, restAfter: 5, delayMs: [3000, 8000], restMs: [30000, 60000] },
  unlimited: { perMinute: null, dailyLimitFrom: null, dailyLimitTo: null, warmupDays: null, restAfter: null, delayMs: [100, 100], restMs: [30000, 60000] },
};

export const zones = () => Intl.supportedValuesOf?.("timeZone") ?? [];

const whole = (text) => (text === "" || text === undefined ? undefined : Number(text));

/** The API's limits of a form's fields. An empty field is left out: the preset's number holds. */
export function readLimits(said, useLimits) {
  const preset = useLimits ? DEFAULTS.limited : DEFAULTS.unlimited;
  const limits = {};
  for (const name of NUMBERS) {
    const value = whole(said[name]);
    if (value !== undefined) limits[name] = value;
  }
  for (const name of SPANS) {
    const [min, max] = [whole(said[`${name}Min`]), whole(said[`${name}Max`])];
    if (min === undefined && max === undefined) continue;
    const [shortest, longest] = [min ?? Math.min(preset[name][0] / 1000, max), max ?? Math.max(preset[name][1] / 1000, min)];
    limits[name] = [Math.round(shortest * 1000), Math.round(longest * 1000)];
  }
  if (said.timezone) limits.timezone = said.timezone;
  if (said.quietFrom && said.quietTo) limits.quietHours = [said.quietFrom, said.quietTo];
  if (said.typing) limits.typing = said.typing === "yes";
  return limits;
}

/**
 * How far an account's warm-up is, by today's cap: `{day, days, to, isOver}`. Null where it has
 * none, or where the cap is not what these numbers make.
 */
export function warmUp({ useLimits, limits = {}, queue }) {
  if (!useLimits || !queue?.dailyLimit) return null;
  const own = { ...DEFAULTS.limited, ...limits };
  const { dailyLimitFrom: from, dailyLimitTo: to, warmupDays: days } = own;
  const cap = queue.dailyLimit;
  if (!days || cap < from || cap > to || from >= to) return null;
  if (cap === to) return { isOver: true, to };
  return { day: Math.ceil(((cap - from) * days) / (to - from)) + 1, days, to, isOver: false };
}
