// A company's story, told by the stock socket.io-client in its three modes: a session is created,
// paired and connected; a message is sent and read, somebody types and answers; a manager is let
// in and out; the session is disconnected. Arguments: the server, which asks for credentials.
import assert from "node:assert/strict";
import { io } from "socket.io-client";

const API = process.argv[2];

async function call(method, path, token, body) {
  const response = await fetch(`${API}${path}`, {
    method,
    headers: {
      "Content-Type": "application/json",
      ...(token && { Authorization: `Bearer ${token}` }),
    },
    body: body && JSON.stringify(body),
  });
  const answer = await response.json();
  assert.ok(response.ok, `${method} ${path}: ${response.status} ${JSON.stringify(answer)}`);
  return answer;
}

/** A client that remembers what it heard. */
function listen(token, transports) {
  const socket = io(API, { auth: { token }, forceNew: true, ...(transports && { transports }) });
  const heard = [];
  const waiting = [];
  socket.onAny((name, payload) => {
    heard.push([name, payload]);
    for (const wait of [...waiting]) wait();
  });
  /** The first event of that name, heard already or yet to come, for which `fits`. */
  const event = (name, fits = () => true) =>
    new Promise((found, lost) => {
      const look = () => {
        const hit = heard.find(([other, payload]) => other === `whatsapp:${name}` && fits(payload));
        if (!hit) return;
        clearTimeout(deadline);
        waiting.splice(waiting.indexOf(look), 1);
        found(hit[1]);
      };
      const deadline = setTimeout(
        () => lost(new Error(`no ${name} in ${transports}: ${heard.map(([other]) => other)}`)),
        20_000,
      );
      waiting.push(look);
      look();
    });
  return { socket, heard, event };
}

const connected = (socket) =>
  new Promise((yes, no) => {
    socket.on("connect", yes);
    socket.on("connect_error", no);
  });

async function story(transports) {
  const name = `${transports ?? "default"}-${Date.now()}`;
  const { token, company, user } = await call("POST", "/api/auth/register", null, {
    companyName: name,
    email: `admin@${name}.example`,
    password: "correct horse battery",
    firstName: "Иван",
    lastName: "Петров",
  });
  const admin = listen(token, transports);
  const { engine } = admin.socket.io;
  const upgraded = new Promise((done) => engine.once("upgrade", done));
  assert.equal(engine.transport.name, transports ? transports[0] : "polling");
  await connected(admin.socket);
  if (!transports) await upgraded;
  assert.equal(engine.transport.name, transports ? transports[0] : "websocket");

  const created = await call("POST", "/api/whatsapp/sessions", token, {
    displayName: "Основной WhatsApp",
    useLimits: false,
    config: { scanAfterMs: 300, latencyMs: [0, 10], receiptsMs: [50, 100], answerMs: [50, 100] },
  });
  const sessionId = created.data.sessionId;
  assert.equal(created.data.adminId, user.id);
  assert.equal(created.data.companyId, company.id);
  assert.deepEqual([created.data.isActive, created.data.isConnected], [true, false]);

  for (const dialect of ["qr-updated", "qr"]) {
    const code = await admin.event(dialect);
    assert.equal(code.sessionId, sessionId);
    assert.match(code.qrCode, /^data:image\/png;base64,/);
  }
  for (const dialect of ["session-connected", "ready"]) {
    const ready = await admin.event(dialect);
    assert.equal(ready.displayName, "Основной WhatsApp");
    assert.match(ready.phoneNumber, /^\+\d+$/);
  }

  const { data: anna } = await call("POST", "/api/managers", token, {
    email: `anna@${name}.example`,
    password: "staple correct horse",
    firstName: "Анна",
    lastName: "Иванова",
  });
  const login = await call("POST", "/api/auth/login", null, {
    email: `anna@${name}.example`,
    password: "staple correct horse",
  });
  const manager = listen(login.token, transports);
  await connected(manager.socket);
  const grant = { managerId: anna.id, permissions: ["read", "write"] };
  await call("POST", `/api/whatsapp/sessions/${sessionId}/managers`, token, grant);
  for (const listener of [admin, manager]) {
    const granted = await listener.event("manager-access-granted");
    assert.deepEqual([granted.managerId, granted.managerName], [anna.id, "Анна Иванова"]);
    assert.deepEqual([granted.permissions, granted.grantedBy], [["read", "write"], user.id]);
  }

  const chat = `/api/whatsapp/sessions/${sessionId}/chats/77079856339@c.us`;
  const sent = await call("POST", `${chat}/messages`, login.token, { message: "Привет! Как дела?", type: "text" });
  assert.equal(sent.data.managerId, anna.id);
  const mine = ({ message }) => message.id === sent.data.id;
  for (const listener of [admin, manager]) {
    const filed = await listener.event("new-message", mine);
    assert.equal(filed.companyId, company.id);
    assert.deepEqual([filed.chat.chatId, filed.chat.chatType], ["77079856339@c.us", "individual"]);
    assert.equal((await listener.event("message_sent", mine)).message.body, "Привет! Как дела?");
    for (const status of ["sent", "delivered", "read"]) {
      const moved = await listener.event("message-status", (event) => event.status === status);
      assert.deepEqual([moved.messageId, moved.sessionId], [sent.data.messageId, sessionId]);
      assert.match(moved.timestamp, /Z$/);
    }
    const typing = await listener.event("typing-status");
    assert.deepEqual([typing.chatId, typing.isTyping], ["77079856339@c.us", true]);
    await listener.event("typing-status", ({ isTyping }) => !isTyping);
    const answer = await listener.event("message");
    assert.equal(answer.message.fromMe, false);
    assert.equal(answer.chatId, sent.data.chatId);
    const same = await listener.event("new-message", ({ message }) => !message.fromMe);
    assert.deepEqual(same.message, answer.message);
    const updated = await listener.event("chat-updated", ({ unreadCount }) => unreadCount === 1);
    assert.equal(updated.lastMessageText, answer.message.body);
  }
  await call("POST", `${chat}/read`, login.token);
  const isRead = ({ unreadCount, seq }) => unreadCount === 0 && seq > 10;
  await manager.event("chat-updated", isRead);
  const stats = await admin.event("stats-updated", ({ stats }) => stats.totalMessages === 2 && stats.unreadChats === 0);
  assert.deepEqual([stats.stats.totalChats, stats.stats.connectedSessions], [1, 1]);

  await call("DELETE", `/api/whatsapp/sessions/${sessionId}/managers/${anna.id}`, token);
  assert.equal((await manager.event("manager-access-revoked")).revokedBy, user.id);
  await call("POST", `/api/whatsapp/sessions/${sessionId}/disconnect`, token);
  for (const dialect of ["session-disconnected", "disconnected"]) {
    assert.equal((await admin.event(dialect)).reason, "disconnected");
  }
  assert.ok(!manager.heard.some(([event]) => event.endsWith("disconnected")), "a manager hears more than is granted");

  // Nothing was missed: for a session and a source the numbers have no gap.
  // How an account looks is told without a number.
  const counted = admin.heard.filter(([event, { sessionId: of }]) => of === sessionId && !event.endsWith("account-updated"));
  const counts = counted.map(([, { seq }]) => seq);
  counts.forEach((seq, index) => assert.ok(index === 0 || seq - counts[index - 1] <= 1, `${counts}`));

  // Signing out cuts the socket off, and it is not let in again.
  const cut = new Promise((done) => admin.socket.on("disconnect", done));
  await call("POST", "/api/auth/logout", token);
  assert.equal(await cut, "io server disconnect");
  admin.socket.connect();
  await assert.rejects(connected(admin.socket), /not valid, or have expired/);
  admin.socket.close();
  manager.socket.close();
}

for (const transports of [["websocket"], ["polling"], undefined]) {
  const stranger = io(API, { forceNew: true, ...(transports && { transports }) });
  await assert.rejects(connected(stranger), /credentials are needed/);
  stranger.close();
  await story(transports);
}
process.exit(0);
