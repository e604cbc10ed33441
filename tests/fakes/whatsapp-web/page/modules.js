// The page's modules, named and shaped as wa-js looks for them, and the loader that it walks. As on the
// real page the loader is there first and the modules come in steps.
"use strict";

fake.Conn = new fake.Model({ ref: null, connected: false, pushname: null });
fake.Socket = new fake.Model({ state: "UNLAUNCHED", stream: "DISCONNECTED" });
fake.Stream = new fake.Model({ mode: "SYNCING", info: "OPENING", needsUpdate: false, available: false });
fake.CmdImpl = class CmdImpl extends fake.Emitter {
  isMainLoaded = false;
  refreshQR() { fake.drawQr(); }
};
fake.Cmd = new fake.CmdImpl();
fake.linking = new fake.Emitter();
fake.linking.triggerRefreshAltLinkingCode = () => {};

{
  const { wid, Wid, MsgKey, Model, Emitter } = fake;
  const SOCKET = ["OPENING", "PAIRING", "UNPAIRED", "UNPAIRED_IDLE", "CONNECTED", "TIMEOUT", "CONFLICT"];
  const codes = Object.fromEntries(SOCKET.map((name) => [name, name]));
  const base64 = (bytes) => btoa(String.fromCharCode(...bytes));
  const me = (field) => (fake.me ? wid(fake.me[field]) : undefined);
  const meOrThrow = (field) => me(field) ?? (() => { throw new Error("nobody is paired"); })();

  /** Messages of a chat before or after one of them. */
  const findByDirection = async ({ anchor, count, direction }) => {
    const rows = await fake.store.messagesOf(anchor.remote);
    const at = rows.findIndex((row) => row.id === String(anchor));
    if (at < 0) return { messages: [], status: 404 };
    const found = direction === "after" ? rows.slice(at + 1, at + 1 + count) : rows.slice(Math.max(0, at - count), at);
    return { messages: found.map(fake.fromRow), status: 200 };
  };

  /** Loads the surroundings of a message out of the database, into the memory. */
  function getSearchContext({ msgKey }) {
    const load = async () => {
      const row = await fake.store.get("messages", String(msgKey));
      if (row) fake.messages.add(new fake.MsgModel(fake.fromRow(row)));
    };
    return { collection: { loadAroundPromise: load(), get: (id) => fake.messages.get(id) }, key: msgKey };
  }

  const receipt = async ({ externalIds, ack }) => {
    for (const key of externalIds) await fake.raise(key, ack);
  };

  const composing = (on) => async (chat) => {
    await fake.wire.post("composing", { chat: String(chat.id), on });
  };

  fake.modules = {
    WAWebConnModel: { Conn: fake.Conn, ConnImpl: Model },
    WAWebSocketModel: { Socket: fake.Socket, NetworkStatus: 1 },
    WAWebStreamModel: { Stream: fake.Stream },
    WAWebCmd: { Cmd: fake.Cmd, CmdImpl: fake.CmdImpl },
    WAWebNetworkStatus: { default: Object.assign(new Emitter(), { checkOnline() {} }) },
    WAWebBackendEventBus: { BackendEventBus: new Emitter(), BackendEvent: {} },
    WAWebWid: { default: Wid },
    WAWebWidFactory: {
      createWid: wid, createDeviceWid: wid, isWidlike: (what) => what instanceof Wid, createWidFromWidLike: (what) => what,
      createUserWidOrThrow: (user, server) => wid(String(user).includes("@") ? user : `${user}@${server ?? "c.us"}`),
    },
    WAWebMsgKey: { default: MsgKey },
    WAWebUserPrefsMeUser: {
      getMaybeMePnUser: () => me("number"), getMe: () => me("number"), getMaybeMeLidUser: () => me("lid"),
      getMeLidUserOrThrow: () => meOrThrow("lid"),
    },
    WAWebUserPrefsGeneral: { getPushname: () => fake.me?.name, setBrowserId() {}, getUserPrivacySettings() {} },
    WABase64: { encodeB64: base64, decodeB64: (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer },
    WAWebSignalStorage: { waSignalStore: { getRegistrationInfo: async () => ({ identityKeyPair: { pubKey: fake.keys.identity } }) } },
    WAWebNoiseInfo: { waNoiseInfo: { get: async () => ({ staticKeyPair: { pubKey: fake.keys.noise } }) } },
    WAWebAdv: { getADVSecretKey: async () => fake.keys.adv, setADVSignedIdentity() {} },
    WAWebUserPrefsAuth: { isLoggedIn: () => Boolean(fake.me) },
    WAWebUserPrefsReg: { isRegistered: () => Boolean(fake.me) },
    WAWebVersion: { SANITIZED_VERSION_STR: "2.3000.1045000000" },
    WAWebOfficial: { isOfficialClient: false },
    WAWebAck: { ACK: { FAILED: -1, CLOCK: 0, SENT: 1, RECEIVED: 2, READ: 3, PLAYED: 4 }, ACK_STRING: {}, EDIT_ATTR: {} },
    WAWebSocketConstants: { SOCKET_STATE: codes, SOCKET_STREAM: {}, WATCHED_SOCKET_STATE: {} },
    WAWebMsgModel: { default: fake.MsgModel },
    WAWebChatModel: { default: fake.ChatModel },
    WAWebContactModel: { default: fake.ContactModel },
    WAWebChatCollection: { ChatCollectionImpl: fake.ChatCollectionImpl, ChatCollection: fake.chats },
    WAWebMsgCollection: { MsgCollection: fake.messages },
    WAWebContactCollection: { ContactCollectionImpl: fake.ContactCollectionImpl, ContactCollection: fake.contacts },
    WAWebGroupMetadataCollection: { GroupMetadataCollectionImpl: fake.GroupMetadataCollectionImpl, default: fake.groups },
    WAWebPresenceCollection: { PresenceCollection: fake.presences },
    WAWebContactPresenceBridge: {
      subscribeUserPresence: (id) => fake.presenceFor(id).subscribe(),
      subscribeGroupPresence: (id) => fake.presenceFor(id).subscribe(),
    },
    WAWebChatPresence: { markComposing: composing(true), markPaused: composing(false) },
    WAWebSendMsgChatAction: { addAndSendMsgToChat: fake.addAndSend },
    WAWebMediaOpaqueDataBase: { default: fake.OpaqueDataBase },
    WAWebMediaOpaqueData: { default: fake.OpaqueData },
    WAWebMediaDataModel: { default: fake.MediaDataModel },
    WAWebMediaPrep: { MediaPrep: fake.MediaPrep, prepRawMedia: fake.prepRawMedia, uploadProductImage() {} },
    WAWebMediaGatingUtils: { getUploadLimit: () => fake.most },
    WAWebUploadManager: { uploadMedia: fake.uploadMedia },
    WAWebGenerateVideoThumbsAndDuration: { generateVideoThumbsAndDuration: async () => ({ duration: 0, thumbs: [] }) },
    WAWebProcessRawSticker: { processRawSticker: async () => ({}) },
    WAWebWebpUtils: { isAnimatedWebp: () => false },
    WAWebMediaInMemoryBlobCache: { InMemoryMediaBlobCacheImpl: Map, InMemoryMediaBlobCache: fake.contents },
    WAWebUpdateUnreadChatAction: {
      sendSeen: async ({ chat }) => {
        chat.unreadCount = 0;
        await fake.keepChat(chat);
        await fake.wire.post("seen", { chat: String(chat.id) });
      },
      markUnread() {},
    },
    WAWebFindChatAction: { findOrCreateLatestChat: fake.findChat },
    WAWebGetEphemeralFieldsMsgActionsUtils: { getEphemeralFields: () => ({}) },
    WATimeUtils: { unixTime: fake.seconds, unixTimeMs: () => Date.now() },
    WAWebDBMessageFindLocal: {
      msgFindByDirection: findByDirection,
      msgFindBefore: (params) => findByDirection({ ...params, direction: "before" }),
      msgFindAfter: (params) => findByDirection({ ...params, direction: "after" }),
    },
    WAWebMessageSearchContext: { getSearchContext },
    WAWebHandleMsgReceipt: { handleChatSimpleReceipt: receipt },
    WAWebHandleGroupReceipt: { handleGroupSimpleReceipt: async () => {} },
    WAWebHandleStatusReceipt: { handleStatusSimpleReceipt: async () => {} },
    WAWebLidPnCache: {
      lidPnCache: {
        getCurrentLid: (id) => (fake.lids.has(String(id)) ? wid(fake.lids.get(String(id))) : undefined),
        getPhoneNumber: (id) => (fake.numbers.has(String(id)) ? wid(fake.numbers.get(String(id))) : undefined),
      },
    },
    WAWebApiContact: {
      getCurrentLid: (id) => (fake.lids.has(String(id)) ? wid(fake.lids.get(String(id))) : undefined),
      getPhoneNumber: (id) => (fake.numbers.has(String(id)) ? wid(fake.numbers.get(String(id))) : undefined),
    },
    WAWebQueryExistsJob: {
      queryWidExists: async (id) => ((await fake.lookUp(id)).exists ? { wid: id, biz: false } : null),
      queryPhoneExists() {},
    },
    WAWebLid1X1MigrationGating: { Lid1X1MigrationUtils: { isLidMigrated: () => fake.isMigrated } },
    WAWebLogoutReason: { getErrorCodeFromLogoutReason: (reason) => String(reason), LOGOUT: 1 },
    WAWebLinkDeviceEvents: { WAWebLinkDeviceEvents: fake.linking },
    WAWebAltDeviceLinkingApi: {
      initializeAltDeviceLinking: async () => {},
      genLinkDeviceCodeForPhoneNumber: async (phone) => (await fake.wire.post("code", { phone })).code,
    },
    WAWebReact: {},
  };
}

/** Puts the modules within reach, some at a time, and goes on when all are there. */
fake.loadModules = (then) => {
  const modulesMap = {};
  const load = (name) => {
    if (name === "__debug") return { modulesMap };
    if (!(name in modulesMap)) throw new Error(`Requiring unknown module "${name}"`);
    return fake.modules[name];
  };
  window.importNamespace = load;
  window.ErrorGuard = { skipGuardGlobal() {} };
  window.require = load;
  window.__d = () => {};
  const names = Object.keys(fake.modules);
  const step = () => {
    for (const name of names.splice(0, 15)) modulesMap[name] = { factory() {} };
    if (names.length > 0) setTimeout(step, 30);
    else then();
  };
  setTimeout(step, 30);
};
