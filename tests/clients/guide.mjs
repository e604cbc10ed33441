// The integration guide's fetch examples, in order, against the server given as the first argument.
import assert from "node:assert/strict";

const API = process.argv[2];

const response = await fetch(`${API}/api/accounts`, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ name: "My WhatsApp Account", useLimits: false }),
});
const account = await response.json();
assert.equal(account.status, "DISCONNECTED");
assert.equal(account.useLimits, false);
assert.equal(account.qrCode, null);
assert.equal(account.phoneNumber, null);
assert.match(account.createdAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

const connect = await fetch(`${API}/api/accounts/${account.id}/connect`, { method: "POST" });
assert.equal(connect.status, 200);

const statuses = new Set();
await new Promise((done) => {
  async function checkStatus() {
    const res = await fetch(`${API}/api/accounts/${account.id}`);
    const { clientStatus } = await res.json();
    statuses.add(clientStatus);
    if (clientStatus === "CONNECTED") done();
    else setTimeout(checkStatus, 200);
  }
  checkStatus();
});
assert.ok(statuses.has("QR_READY"), [...statuses].join());

const send = await fetch(`${API}/api/messages/send`, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ accountId: account.id, to: "77777777777", message: "Hello from API! 👋" }),
});
const result = await send.json();
assert.equal(send.status, 202);
assert.deepEqual([result.success, result.queued, result.status], [true, true, "CONNECTED"]);
assert.equal(typeof result.queuePosition, "number");

const queue = await (await fetch(`${API}/api/accounts/${account.id}/queue`)).json();
assert.equal(typeof queue.queueLength, "number");
assert.ok(Array.isArray(queue.messages));
assert.equal(queue.status.clientStatus, "CONNECTED");
assert.equal(queue.status.isResting, false);
assert.equal(typeof queue.status.messagesSinceRest, "number");
assert.equal(typeof queue.limits.dailyCount, "number");

const changed = await fetch(`${API}/api/accounts/${account.id}`, {
  method: "PUT",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ useLimits: true }),
});
assert.equal((await changed.json()).useLimits, true);
const all = await (await fetch(`${API}/api/accounts`)).json();
assert.equal(all.data.length, 1);
