// The session guides' own examples, unchanged but for host and token: the React hook, rendered by
// React, and the fetch calls of both guides. Arguments: the server, and one that asks for
// credentials.
import assert from "node:assert/strict";
import React from "react";
import { act, create } from "react-test-renderer";
import { useWhatsApp } from "./useWhatsApp.ts";

const [open, guarded] = process.argv.slice(2);
globalThis.IS_REACT_ACT_ENVIRONMENT = true;

// In a browser the examples' addresses are relative to the page.
const fetchFrom = (host: string) => {
  const real = globalThis.fetch;
  return (path: string, options?: object) => real(path.startsWith("/") ? host + path : path, options);
};
const real = globalThis.fetch;

async function until<T>(what: string, ask: () => Promise<T | null | undefined | false>): Promise<T> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    assert.ok(Date.now() < deadline, `not in 20 s: ${what}`);
    await new Promise((next) => setTimeout(next, 50));
  }
}

async function hook() {
  globalThis.HOST = open;
  globalThis.token = "none is needed";
  globalThis.fetch = fetchFrom(open);
  let whatsapp: ReturnType<typeof useWhatsApp>;
  const Probe = () => {
    whatsapp = useWhatsApp();
    return null;
  };
  let page;
  await act(async () => (page = create(<Probe />)));
  await until("the hook is connected", async () => {
    await act(async () => undefined);
    return whatsapp.socket?.connected;
  });
  const response = await fetch("/api/whatsapp/sessions", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      displayName: "Основной WhatsApp",
      useLimits: false,
      config: { scanAfterMs: 100, latencyMs: [0, 0], receiptsMs: [20, 40], answerMs: [20, 40] },
    }),
  });
  const sessionId = (await response.json()).data.sessionId;
  const sent = await whatsapp.sendMessage(sessionId, "77079856339@c.us", "Привет! Как дела?");
  assert.equal(sent.success, true);
  assert.equal(sent.data.body, "Привет! Как дела?");
  await until("the hook has the message and its answer", async () => {
    await act(async () => undefined);
    return whatsapp.messages.some((m) => m.fromMe) && whatsapp.messages.some((m) => !m.fromMe);
  });
  await act(async () => page.unmount());
}

async function examples() {
  globalThis.fetch = real;
  const registered = await fetch(`${guarded}/api/auth/register`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ companyName: "Guides", email: "admin@guides.example", password: "correct horse battery" }),
  });
  const { token } = await registered.json();
  globalThis.fetch = fetchFrom(guarded);

  // 1. Connecting.
  const response = await fetch('/api/whatsapp/sessions', {
    method: 'POST',
    headers: {
      'Authorization': `Bearer ${token}`,
      'Content-Type': 'application/json'
    }
  });

  const { data } = await response.json();
  const sessionId = data.sessionId;

  const shown = await until("a code is shown", async () => {
    const qrResponse = await fetch(`/api/whatsapp/sessions/${sessionId}/qr`, {
      headers: { 'Authorization': `Bearer ${token}` }
    });

    const qrData = await qrResponse.json();
    if (qrData.data.qrCode) {
      return qrData.data.qrCode;
    }
  });
  assert.match(shown, /^data:image\/png;base64,/);

  // 2. A manager.
  await fetch('/api/managers', {
    method: 'POST',
    headers: { 'Authorization': `Bearer ${token}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ email: 'manager@guides.example', password: 'staple correct horse' })
  });
  const managers = await fetch('/api/managers', {
    headers: { 'Authorization': `Bearer ${token}` }
  });
  const manager_id = (await managers.json()).data[0].id;

  const granted = await fetch(`/api/whatsapp/sessions/${sessionId}/access`, {
    method: 'POST',
    headers: {
      'Authorization': `Bearer ${token}`,
      'Content-Type': 'application/json'
    },
    body: JSON.stringify({
      managerId: manager_id,
      canRead: true,
      canWrite: true,
      canManageChats: false
    })
  });
  assert.equal((await granted.json()).success, true);

  const login = await fetch('/api/auth/login', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ email: 'manager@guides.example', password: 'staple correct horse' })
  });
  const managerToken = (await login.json()).token;
  const chatId = '77079856339@c.us';

  // 3. Working with chats.
  const sent = await fetch(`/api/whatsapp/sessions/${sessionId}/chats/${chatId}/send`, {
    method: 'POST',
    headers: {
      'Authorization': `Bearer ${managerToken}`,
      'Content-Type': 'application/json'
    },
    body: JSON.stringify({
      message: 'Здравствуйте! Как дела?'
    })
  });
  assert.equal((await sent.json()).success, true);

  const chats = await fetch(`/api/whatsapp/sessions/${sessionId}/chats`, {
    headers: { 'Authorization': `Bearer ${managerToken}` }
  });
  const listed = await chats.json();
  assert.equal(listed.data[0].lastMessageText, 'Здравствуйте! Как дела?');

  const messages = await fetch(`/api/whatsapp/sessions/${sessionId}/chats/${listed.data[0].id}/messages`, {
    headers: { 'Authorization': `Bearer ${managerToken}` }
  });
  assert.equal((await messages.json()).data[0].body, 'Здравствуйте! Как дела?');

  // The form that sends to a number.
  const form = await fetch(
    `/api/whatsapp/send`,
    {
      method: 'POST',
      credentials: 'include',
      headers: {
        'Content-Type': 'application/json',
        'Accept': 'application/json',
        'Authorization': `Bearer ${token}`,
      },
      body: JSON.stringify({
        phone: '996700123456',
        message: 'Текст сообщения'.trim(),
      })
    }
  );
  if (!form.ok) {
    const errorData = await form.json();
    throw new Error(errorData.error || 'Failed to send message');
  }
  const answered = await form.json();
  assert.equal(answered.success, true);
  assert.match(answered.data.messageId, /^msg_/);
  assert.match(answered.data.timestamp, /Z$/);
}

await hook();
await examples();
process.exit(0);
