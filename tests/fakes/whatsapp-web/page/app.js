// The page's life: it finds out who it is, draws a QR or connects, and does what its server and the
// test tell it.
"use strict";

{
  const [QR_LIFE_MS, MOST_QRS] = [20_000, 6];
  const app = document.getElementById("app");
  const random = (count) => crypto.getRandomValues(new Uint8Array(count));
  const base64 = (bytes) => btoa(String.fromCharCode(...bytes));
  let [drawn, timer] = [0, 0];

  fake.drawQr = () => {
    if (fake.me) return;
    clearTimeout(timer);
    drawn++;
    const { noise, identity, adv } = fake.keys;
    const ref = `2@${base64(random(33))}`;
    fake.Socket.state = "UNPAIRED";
    const canvas = document.createElement("canvas");
    canvas.setAttribute("aria-label", "Scan this QR code to link a device!");
    const box = document.createElement("div");
    const parts = [ref, base64(noise), base64(identity), adv, "1"];
    box.setAttribute("data-ref", `https://wa.me/settings/linked_devices#${parts.join(",")}`);
    box.append(canvas);
    app.replaceChildren(box);
    fake.wire.post("ref", { ref }).then(() => { fake.Conn.ref = ref; });
    timer = setTimeout(() => (drawn < MOST_QRS ? fake.drawQr() : idle()), QR_LIFE_MS);
  };

  /** Nobody scanned for long: the page draws none until it's asked. */
  function idle() {
    clearTimeout(timer);
    drawn = 0;
    app.replaceChildren(document.createElement("button"));
    fake.Conn.ref = null;
    fake.Socket.state = "UNPAIRED_IDLE";
  }

  async function paired(me) {
    clearTimeout(timer);
    Object.assign(fake.Socket, { state: "PAIRING" });
    Object.assign(fake.Stream, { info: "SYNCING", mode: "SYNCING" });
    app.replaceChildren();
    await fake.store.write("me", me);
    fake.me = me;
    const { groups } = await fake.wire.post("linked");
    await connect(groups);
  }

  async function connect(groups) {
    await fake.loadChats();
    for (const group of groups) await fake.group(group);
    fake.Conn.ref = null;
    fake.Conn.connected = true;
    fake.Socket.state = "CONNECTED";
    fake.Cmd.isMainLoaded = true;
    fake.Cmd.trigger("main_loaded");
    const pane = document.createElement("div");
    pane.id = "pane-side";
    app.replaceChildren(pane);
    Object.assign(fake.Stream, { info: "NORMAL", mode: "MAIN" });
    await fake.wire.post("online");
    const unanswered = (await fake.store.all("messages")).filter((row) => row.fromMe && row.ack === 0);
    for (const row of unanswered) await fake.transmit(row);
  }

  /** The account is linked here no more. As the real page it starts anew, as another device. */
  async function leave(reason) {
    await fake.store.wipe();
    fake.me = null;
    fake.modules.WAWebLogoutReason.getErrorCodeFromLogoutReason(reason);
    fake.Cmd.trigger("logout");
    setTimeout(() => location.replace(`/?post_logout=1&logout_reason=${encodeURIComponent(reason)}`), 300);
  }

  fake.Socket.logout = async () => {
    await fake.wire.post("left");
    await leave("user_initiated");
  };

  /** Only what the module holds by now is what wa-js listens to. */
  async function receipt({ key, ack, chat, member }) {
    const [from, participant] = [fake.wid(chat), member ? fake.wid(member) : null];
    const ackString = ack === 2 ? "delivery" : "read";
    const about = { externalIds: [key], from, participant, recipient: null, ack, ackString, ts: fake.seconds() };
    if (!member) await fake.modules.WAWebHandleMsgReceipt.handleChatSimpleReceipt(about);
    else await fake.modules.WAWebHandleGroupReceipt.handleGroupSimpleReceipt(about);
  }

  const orders = {
    scan: ({ me }) => paired(me),
    rotate: () => fake.drawQr(),
    idle,
    logout: ({ reason }) => leave(reason),
    reload: () => location.reload(),
    conflict: () => Object.assign(fake.Stream, { mode: "CONFLICT" }) && Object.assign(fake.Socket, { state: "CONFLICT" }),
    needs_update: () => { fake.Stream.needsUpdate = true; },
    hang: () => { for (;;); },
    offline: () => { fake.Stream.info = "OFFLINE"; },
    message: fake.receive,
    group: fake.group,
    receipt,
    raise: ({ key, ack }) => fake.raise(key, ack),
    answer: ({ key, ack }) => fake.answer(key, ack),
    presence: fake.presence,
  };

  async function boot() {
    await fake.store.open();
    fake.identity = (await fake.store.read("identity")) ?? base64(random(18));
    await fake.store.write("identity", fake.identity);
    fake.keys = { noise: random(32), identity: random(32), adv: base64(random(32)) };
    fake.me = await fake.store.read("me");
    const { isLinked, isMigrated, most, known, groups } = await fake.wire.post("hello");
    fake.isMigrated = isMigrated;
    fake.most = most ?? Infinity;
    for (const [lid, number] of known) fake.learn(lid, number);
    if (fake.me && !isLinked) return leave("unknown_companion");
    fake.wire.listen((order) => orders[order.op]?.(order));
    if (fake.me) return connect(groups);
    Object.assign(fake.Stream, { mode: "QR", info: "PAIRING" });
    fake.drawQr();
  }

  fake.loadModules(() => boot().catch((error) => console.error(error)));
}
