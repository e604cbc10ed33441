// Instants as people write them, in the browser's zone and 24 hours. Chromium has no Kyrgyz dates:
// months, weekdays and patterns of that language are here.

import { computed, effect, html, signal } from "./html.js";
import { language, t } from "./i18n.js";

const MONTHS = ["январь", "февраль", "март", "апрель", "май", "июнь", "июль", "август", "сентябрь", "октябрь", "ноябрь", "декабрь"];
const SHORT_MONTHS = ["янв.", "фев.", "мар.", "апр.", "май", "июн.", "июл.", "авг.", "сен.", "окт.", "ноя.", "дек."];
const WEEKDAYS = ["жекшемби", "дүйшөмбү", "шейшемби", "шаршемби", "бейшемби", "жума", "ишемби"];
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

let skew = 0;

/** Learns the server's clock from the head of an answer; a second or two is the head's own grain. */
export function learnClock(date) {
  const off = Date.parse(date) - Date.now();
  if (Number.isFinite(off)) skew = Math.abs(off) < 3_000 ? 0 : off;
}

/** Now, by the server's clock. */
export const now = () => Date.now() + skew;

/** Now, to the second; what reads it is drawn again each second, while the page is looked at. */
export const second = signal(now());
let ticking = null;
effect(() => {
  const tick = () => {
    clearInterval(ticking);
    ticking = null;
    if (document.hidden) return;
    second.value = now();
    ticking = setInterval(() => (second.value = now()), 1_000);
  };
  document.addEventListener("visibilitychange", tick);
  tick();
});
/** Now, to the minute. */
export const minute = computed(() => Math.floor(second.value / MINUTE) * MINUTE);

const at = (instant) => (instant instanceof Date ? instant : new Date(instant));
const two = (n) => String(n).padStart(2, "0");
const formats = new Map();

function format(options) {
  const key = language.value + JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat(language.value === "en" ? "en-GB" : language.value, options));
  return formats.get(key);
}

/** 14:31 */
export function clock(instant) {
  const date = at(instant);
  return `${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** 24 November, with the year unless it is this one. */
export function day(instant) {
  const date = at(instant);
  const isThisYear = date.getFullYear() === new Date(now()).getFullYear();
  if (language.value === "ky") {
    const short = `${date.getDate()}-${MONTHS[date.getMonth()]}`;
    return isThisYear ? short : `${date.getFullYear()}-ж., ${short}`;
  }
  return format({ day: "numeric", month: "long", ...(isThisYear ? {} : { year: "numeric" }) }).format(date);
}

/** 24 Nov. */
export function shortDay(instant) {
  const date = at(instant);
  if (language.value === "ky") return `${date.getDate()}-${SHORT_MONTHS[date.getMonth()]}`;
  return format({ day: "numeric", month: "short" }).format(date);
}

export function weekday(instant) {
  const date = at(instant);
  return language.value === "ky" ? WEEKDAYS[date.getDay()] : format({ weekday: "long" }).format(date);
}

/** Days between the day of `instant` and today: 0 today, 1 yesterday. */
export function daysAgo(instant) {
  const midnight = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
  return Math.round((midnight(new Date(minute.value)) - midnight(at(instant))) / DAY);
}

/** 24 November, 14:31:05 */
export function exact(instant) {
  const date = at(instant);
  return `${day(date)}, ${clock(date)}:${two(date.getSeconds())}`;
}

/** 14:31 of today, "tomorrow, 14:31", or with the day. */
export function when(instant) {
  const ago = daysAgo(instant);
  const time = clock(instant);
  if (ago === 0) return time;
  if (ago === 1) return t("time.yesterdayAt", { time });
  if (ago === -1) return t("time.tomorrowAt", { time });
  return t("time.dayAt", { day: day(instant), time });
}

/** As lists have it: 14:31, yesterday, Monday, 24 Nov. */
export function brief(instant) {
  const ago = daysAgo(instant);
  if (ago === 0) return clock(instant);
  if (ago === 1) return t("time.yesterday");
  return ago > 1 && ago < 7 ? weekday(instant) : shortDay(instant);
}

/** 40 s, 3 min, 2 h 5 min. */
export function span(ms) {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 60) return t("time.seconds", { n: seconds });
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return t("time.minutes", { n: minutes });
  const hours = Math.floor(minutes / 60);
  if (hours >= 48) return t("time.days", { n: Math.round(hours / 24) });
  return minutes % 60 ? t("time.hoursMinutes", { hours, minutes: minutes % 60 }) : t("time.hours", { n: hours });
}

/** "in 40 s", "3 min ago"; beyond an hour as `when` has it. Drawn again as time passes. */
export function relative(instant) {
  const left = at(instant).getTime() - minute.value;
  if (Math.abs(left) >= HOUR) return when(instant);
  const exactly = at(instant).getTime() - second.value;
  if (exactly > -5_000 && exactly < 1_000) return t("time.now");
  return exactly > 0 ? t("time.in", { span: span(exactly) }) : t("time.ago", { span: span(-exactly) });
}

/** An instant: relative under an hour, exact for who points at it. */
export function When({ at: instant, as = relative }) {
  return html`<time datetime=${at(instant).toISOString()} title=${exact(instant)}>${as(instant)}</time>`;
}
