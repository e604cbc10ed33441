// The requests of the instance manager's report, in its order, by its own curl lines where it has them:
// `node instances.mjs <url> <telegram token>`, on a server in open mode whose accounts have ports.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";

const [url, token] = process.argv.slice(2);

function curl(...args) {
  const out = execFileSync("curl", ["-s", "-w", "\n%{http_code}", ...args], { encoding: "utf8" });
  const [status, ...body] = out.trimEnd().split("\n").reverse();
  return { status: Number(status), body: JSON.parse(body.reverse().join("\n")) };
}

const get = (path) => {
  const { status, body } = curl(`${url}${path}`);
  assert.equal(status, 200, `${path}: ${JSON.stringify(body)}`);
  return body;
};

async function until(what, look) {
  for (let i = 0; i < 300; i++) {
    const found = look();
    if (found) return found;
    await new Promise((done) => setTimeout(done, 50));
  }
  assert.fail(`not in time: ${what}`);
}

// 1. The manager: health and system.
assert.equal(get("/health").status, "healthy");
assert.equal(get("/api/v1/instances/memory/stats").stats.total_instances, 0);
assert.equal(get("/api/v1/resources/performance").systemHealth.status, "healthy");
const { range, total, used } = get("/api/v1/resources/ports");
assert.ok(/^\d+-\d+$/.test(range) && total > 0 && used === 0);

// "Creation hangs": the very line, on a server without a browser's page to reach.
const web = curl("-X", "POST", `${url}/api/v1/instances`, "-d", '{"user_id":"test","provider":"whatsappweb","type_instance":["api"]}');
assert.ok([201, 400].includes(web.status), JSON.stringify(web.body));
if (web.status === 201) {
  assert.equal(web.body.status, "pending");
  assert.equal(curl("-X", "DELETE", `${url}/api/v1/instances/${web.body.id}`).status, 200);
}

// 2. A bot and a number to scan.
const bot = curl("-X", "POST", `${url}/api/v1/instances`, "-d", JSON.stringify({ user_id: "test", provider: "telegram", type_instance: ["api"], config: { token } }));
assert.equal(bot.status, 201, JSON.stringify(bot.body));
assert.equal(bot.body.status, "pending");
const phone = curl("-X", "POST", `${url}/api/v1/instances`, "-d", '{"user_id":"test","provider":"simulator","type_instance":["api"],"config":{"scanAfterMs":null}}');
assert.equal(phone.status, 201);

// 3. Instances: the list, one, its memory, its log; `id` and `instance_id`, `port` and `port_api`.
const ids = get("/api/v1/instances").instances.map(({ id }) => id);
assert.deepEqual(ids, [bot.body.id, phone.body.id]);
const ready = await until("the bot is ready", () => {
  const one = get(`/api/v1/instances/${bot.body.id}`);
  return one.status === "client_ready" && one;
});
assert.equal(ready.id, ready.instance_id);
assert.equal(ready.port, ready.port_api);
assert.deepEqual([ready.user_id, ready.type_instance], ["test", ["api"]]);
assert.equal(get(`/api/v1/instances/${ready.id}/memory`).status, "client_ready");
const { logs } = get(`/api/v1/instances/${ready.id}/logs`);
assert.ok(logs.length > 2 && logs.every(({ message }) => !/[\u0000-\u001f]/.test(message)), JSON.stringify(logs));

// 4. Telegram at the instance's own port, as printed there.
const own = new URL(url);
own.port = ready.port;
const at = own.origin;
const health = curl(`${at}/api/v1/telegram/health`).body;
assert.deepEqual([health.status, health.provider], ["healthy", "telegram"]);
assert.ok(health.timestamp);
assert.equal(curl(`${at}/api/v1/telegram/me`).body.provider, "telegram");
const send = ["-X", "POST", `${at}/api/v1/telegram/send`, "-H", `Authorization: Bearer ${ready.id}`, "-d", '{"chatId":"134527512","message":"Тест!"}'];
const sent = curl(...send);
assert.equal(sent.status, 200, JSON.stringify(sent.body));
assert.ok(sent.body.messageId && sent.body.provider === "telegram");

// 5. The number that waits for its phone.
const { qr_code, success } = get(`/api/v1/instances/${phone.body.id}/qr`);
assert.ok(success && qr_code.startsWith("data:image/png;base64,"));
assert.equal(get(`/api/v1/instances/${phone.body.id}`).status, "qr_ready");
own.port = phone.body.port;
assert.equal(curl(`${own.origin}/api/v1/health`).body.status, "healthy");

// 6. "Multi-Provider is not there".
const providers = get("/api/v1/multi-provider/active-providers").providers.map(({ provider }) => provider);
assert.ok(providers.includes("telegram") && providers.includes("whatsappweb"));
const many = curl("-X", "POST", `${url}/api/v1/multi-provider/instances/telegram/${ready.id}/send-message`, "-d", '{"chatId":"134527512","message":"Тест!"}');
assert.equal(many.status, 200, JSON.stringify(many.body));

// 7. The life of an instance, which nobody had tried.
const post = (word) => curl("-X", "POST", `${url}/api/v1/instances/${ready.id}/${word}`);
assert.equal(post("stop").body.status, "disconnected");
for (const word of ["start", "restart"]) {
  assert.equal(post(word).status, 200);
  await until("it is ready again", () => get(`/api/v1/instances/${ready.id}`).status === "client_ready");
}

// 8. One source for each count.
const { stats } = get("/api/v1/instances/memory/stats");
assert.equal(stats.total_instances, get("/api/v1/instances").total);
assert.deepEqual([stats.active_instances, stats.authenticated_instances, stats.by_status], [2, 1, { client_ready: 1, qr_ready: 1 }]);
assert.equal(get("/api/v1/resources/ports").used, 2);
for (const id of ids) assert.equal(curl("-X", "DELETE", `${url}/api/v1/instances/${id}`).status, 200);
assert.equal(get("/api/v1/instances/memory/stats").stats.total_instances, 0);
await until("their ports are free", () => get("/api/v1/resources/ports").used === 0);
