// What support needs to know, as plain English text. No number, name, text or id is in it: who has
// an account's id may open its pairing page.

import { connection } from "../../lib/socket.js";
import { accounts, isOpen, stats } from "../../lib/store.js";

const iso = (at) => (at ? new Date(at).toISOString() : "-");

function ofAccount(account, i) {
  const { queue = {} } = account;
  const flags = [queue.isPaused && (queue.pauseReason ? "stopped by the service" : "paused"), queue.isResting && "resting", account.restrictedUntil && `restricted until ${account.restrictedUntil}`];
  return [
    `${i + 1}. ${account.provider}`,
    account.status,
    account.lastError ? `${account.lastError.code} at ${account.lastError.at}` : null,
    `queue ${account.queueLength}`,
    `today ${queue.dailyCount ?? 0} of ${queue.dailyLimit ?? "no limit"}`,
    `last minute ${queue.sentLastMinute ?? 0} of ${queue.perMinute ?? "no limit"}`,
    `last sent ${iso(queue.lastSentAt)}`,
    ...flags.filter(Boolean),
  ].filter(Boolean).join(", ");
}

function ofFigures({ stats, load: { cpu, memory, queue, sends_per_minute: sends }, ports }) {
  const mib = (bytes) => `${Math.round(bytes / (1 << 20))} MiB`;
  return [
    `load: ${cpu.process_percent} % of a core, ${cpu.cores} cores, load average ${cpu.load_average.join(" ")}; ${sends} sent in the last minute, ${queue.waiting} waiting`,
    `memory: process ${mib(memory.process_bytes)}, ${memory.browsers} browsers ${mib(memory.browsers_bytes)}, free ${mib(memory.available_bytes)} of ${mib(memory.total_bytes)}`,
    `accounts by status: ${Object.entries(stats.by_status).map(([word, n]) => `${word} ${n}`).join(", ") || "none"}; ports: ${ports.range ? `${ports.used} of ${ports.total}` : "none"}`,
  ];
}

export function reportOf({ health, figures, error, at, providers }) {
  const checks = health?.checks;
  const counts = stats.peek();
  const all = accounts.all;
  return [
    `Andante ${health?.version ?? "?"}, ${new Date().toISOString()}`,
    `mode: ${isOpen ? "open" : "guarded"}; address: ${location.protocol.replace(":", "")}`,
    `health: ${health?.status ?? "unknown"}${error ? `; not reached since ${iso(at)} (${error.code})` : ""}`,
    ...(checks ? [`uptime: ${health.uptime} s; database: ${checks.database}; queue: ${checks.queue}; connections: ${checks.providers.connected} connected, ${checks.providers.connecting} connecting, ${checks.providers.failed} failed`] : []),
    ...(figures ? ofFigures(figures) : []),
    ...(counts ? [`messages: ${counts.messages.total}, today ${counts.messages.today}, sent ${counts.messages.sent}, received ${counts.messages.received}; chats: ${counts.chats.total}; managers: ${counts.managers.total}`] : []),
    ...(providers ? [`messengers: ${providers.map((one) => `${one.provider} ${one.isEnabled ? "on" : `off (${one.reason})`}`).join(", ")}`] : []),
    `accounts: ${all.length}`,
    ...all.map(ofAccount),
    `page: ${innerWidth}×${innerHeight}, ${document.documentElement.lang}, socket ${connection.peek()}`,
    `browser: ${navigator.userAgent}`,
  ].join("\n");
}
