// The page's chats and messages: what is in its memory, and how that is filled from its database, its
// server and its user. After a load the memory holds the last message of each chat alone.
"use strict";

fake.MsgModel = class MsgModel extends fake.Model {
  constructor(properties) {
    super(properties);
    const told = (_, stage) => this.trigger("change:mediaData.mediaStage", this, stage);
    this.mediaData?.on("change:mediaStage", told);
  }

  updateAck(ack) { this.ack = ack; }
  msgContextInfo() { return {}; }
  downloadMedia() { return fake.download(this); }

  /** It leaves the memory; what the database has of it stays. */
  delete() { this.collection?.remove(this); }
};
fake.MsgModel.prototype.proxyName = "msg";

/** The messages of one chat, among all that are in the memory. */
fake.ChatMessages = class ChatMessages extends fake.Emitter {
  #isMine;

  constructor(chat) {
    super();
    this.#isMine = (message) => message.id.remote.equals(chat);
    fake.messages.on("add", (message) => this.#isMine(message) && this.trigger("add", message));
  }

  getModelsArray() { return fake.messages.filter(this.#isMine); }
  get(id) { return fake.messages.get(id); }
};

fake.ChatModel = class ChatModel extends fake.Model {
  constructor(properties) {
    super(properties);
    this.msgs = new fake.ChatMessages(this.id);
  }
};
fake.ChatModel.prototype.proxyName = "chat";

fake.ContactModel = class ContactModel extends fake.Model {};
fake.ContactModel.prototype.proxyName = "contact";

fake.ChatCollectionImpl = class ChatCollectionImpl extends fake.Collection {};
fake.MsgCollectionImpl = class MsgCollectionImpl extends fake.Collection {
  async processMultipleMessages() { return []; }
};
fake.ContactCollectionImpl = class ContactCollectionImpl extends fake.Collection {};
fake.GroupMetadataCollectionImpl = class GroupMetadataCollectionImpl extends fake.Collection {
  _handleParentGroupChange() {}
};
fake.PresenceCollection = class PresenceCollection extends fake.Collection {};

fake.chats = new fake.ChatCollectionImpl();
fake.messages = new fake.MsgCollectionImpl();
fake.contacts = new fake.ContactCollectionImpl();
fake.groups = new fake.GroupMetadataCollectionImpl();
fake.presences = new fake.PresenceCollection();
/** Numbers by LID and LIDs by number, as far as the page was told. */
fake.numbers = new Map();
fake.lids = new Map();
/** Sends that wait for the server's answer. */
fake.waiting = new Map();

fake.learn = (lid, number) => {
  if (!lid || !number) return;
  fake.numbers.set(String(lid), String(number));
  fake.lids.set(String(number), String(lid));
};

/** Where a chat with a person is kept: an account that WhatsApp has moved keeps it under the LID. */
fake.addressOf = (wid) => {
  const other = fake.isMigrated ? fake.lids.get(String(wid)) : fake.numbers.get(String(wid));
  return other ? fake.wid(other) : wid;
};

fake.presenceFor = (wid) => {
  const known = fake.presences.get(wid);
  if (known) return known;
  const [chatstate, chatstates] = [new fake.Model({ type: undefined }), new fake.Collection()];
  const [isGroup, isUser] = [wid.isGroup(), wid.isUser()];
  const about = { id: wid, hasData: true, isOnline: true, isGroup, isUser, chatstate, chatstates };
  const presence = new fake.Model(about);
  presence.subscribe = async () => {
    await fake.wire.post("subscribe", { chat: String(wid) });
  };
  return fake.presences.add(presence);
};

fake.chatFor = (wid, about = {}) => {
  const known = fake.chats.get(wid);
  if (known) return known;
  const title = about.name ?? wid.user;
  const chat = new fake.ChatModel({
    id: wid, unreadCount: 0, archive: false, t: 0, lastReceivedKey: undefined, name: about.name, formattedTitle: title,
    isParentGroup: false, isNewsletter: false, groupMetadata: undefined, pausedTimerId: undefined, ...about,
  });
  chat.presence = fake.presenceFor(wid);
  return fake.chats.add(chat);
};

fake.keepChat = (chat) => fake.store.put("chats", {
  id: String(chat.id), t: chat.t, unreadCount: chat.unreadCount, name: chat.name,
  lastReceivedKey: chat.lastReceivedKey?.toString(),
});

/** A model's properties out of its row in the database. */
fake.fromRow = (row) => ({
  id: fake.MsgKey.fromString(row.id), body: row.text, type: row.type, t: row.t, ack: row.ack, notifyName: row.name,
  from: fake.wid(row.from), to: fake.wid(row.to), author: row.author ? fake.wid(row.author) : undefined,
  isNewMsg: false, local: row.fromMe, self: row.fromMe ? "out" : "in", ...fake.withFile(row.type, row.file),
});

fake.toRow = (model) => ({
  id: String(model.id), key: model.id.id, chat: String(model.id.remote), fromMe: model.id.fromMe, text: model.body,
  type: model.type, t: model.t, ack: model.ack, name: model.notifyName, from: String(model.from), to: String(model.to),
  author: model.author && String(model.author), file: fake.fileOf(model), order: ++fake.order,
});
fake.order = Date.now();

fake.group = async ({ id, subject, isMember }) => {
  const participants = { iAmMember: () => isMember, iAmAdmin: () => false, getModelsArray: () => [] };
  const about = fake.groups.get(id) ?? fake.groups.add(new fake.Model({ id: fake.wid(id), participants }));
  about.participants = participants;
  const chat = fake.chatFor(fake.wid(id), { name: subject });
  chat.groupMetadata = about;
  await fake.keepChat(chat);
};

/** Fills the memory from the database. */
fake.loadChats = async () => {
  for (const row of await fake.store.all("chats")) {
    const last = row.lastReceivedKey && fake.MsgKey.fromString(row.lastReceivedKey);
    const chat = fake.chatFor(fake.wid(row.id), { name: row.name });
    Object.assign(chat, { t: row.t, unreadCount: row.unreadCount, lastReceivedKey: last });
    const messages = await fake.store.messagesOf(row.id);
    if (messages.length > 0) fake.messages.add(new fake.MsgModel(fake.fromRow(messages.at(-1))));
  }
};

/** A message comes, from somebody or from the account's own phone. What came before changes nothing. */
fake.receive = async ({ key, chat: address, author, fromMe, text, t, name, lid, number, type, file }) => {
  fake.learn(lid, number);
  const remote = fake.wid(address);
  const me = fake.wid(remote.isLid() ? fake.me.lid : fake.me.number);
  const participant = author ? fake.wid(author) : undefined;
  const id = new fake.MsgKey({ fromMe, remote, id: key, participant });
  if (await fake.store.get("messages", String(id))) return;
  const [from, to] = fromMe ? [me, remote] : [remote, me];
  const about = { id, from, to, author: participant, body: text, type, t, ack: 1, notifyName: name };
  const model = new fake.MsgModel({ ...about, ...fake.withFile(type, file), isNewMsg: true });
  const chat = fake.chatFor(remote, remote.isGroup() ? {} : { name });
  Object.assign(chat, { t, lastReceivedKey: id, unreadCount: fromMe ? 0 : chat.unreadCount + 1 });
  await fake.keepChat(chat);
  // Last, since it says that all of it is there: a page that ends in between gets it again.
  await fake.store.put("messages", fake.toRow(model));
  fake.messages.add(model);
};

/** Raises how far our message is, in memory and database. */
fake.raise = async (key, ack) => {
  const model = fake.messages.findFirst((message) => message.id.fromMe && message.id.id === key);
  if (model && (ack === -1 || model.ack < ack)) model.ack = ack;
  const row = await fake.store.ours(key);
  if (row && (ack === -1 || row.ack < ack)) await fake.store.put("messages", { ...row, ack });
};

/** How a send ended, by the server's answer, at once or later, or without one. */
fake.answer = async (key, ack, result = ack === 1 ? "OK" : "ERROR_UNKNOWN") => {
  await fake.raise(key, ack);
  fake.waiting.get(key)?.({ messageSendResult: result });
  fake.waiting.delete(key);
};

/**
 * Hands a message to the server. It goes again, under its own key, when the page starts without an answer;
 * unless it has a file that was not uploaded: that is gone with the page before.
 */
fake.transmit = async (row) => {
  if (row.file && !row.file.directPath) return fake.answer(row.key, -1, "ERROR_UPLOAD");
  const member = row.chat.endsWith("@g.us") ? fake.MsgKey.fromString(row.id).participant : undefined;
  const file = row.file && { type: row.type, ...row.file };
  // A document without a caption is shown with its name.
  const isNamed = file?.type === "document" && !file.isCaptionByUser;
  const text = file ? (isNamed ? "" : file.caption) : row.text;
  await fake.wire.post("sent", { key: row.key, to: row.chat, text, file, participant: member && String(member) });
};

/** The page's own way to send: the message is kept, shown, and then goes out. */
fake.addAndSend = async (chat, raw) => {
  const model = new fake.MsgModel(raw);
  await fake.store.put("messages", fake.toRow(model));
  Object.assign(chat, { t: raw.t, lastReceivedKey: model.id });
  await fake.keepChat(chat);
  fake.messages.add(model);
  const answered = new Promise((answer) => fake.waiting.set(model.id.id, answer));
  const leave = async () => {
    if (model.mediaData) await fake.upload(model);
    await fake.transmit(fake.toRow(model));
  };
  leave().catch((error) => console.error(error));
  return [Promise.resolve(model), answered];
};

/** What the page knows of somebody, or asks its server. */
fake.lookUp = async (wid) => {
  const found = await fake.wire.post("exists", { user: String(wid) });
  fake.learn(found.lid, found.number);
  return found;
};

fake.findChat = async (wid) => {
  const known = fake.chats.get(fake.addressOf(wid)) ?? fake.chats.get(wid);
  if (known) return { chat: { id: known.id }, created: false };
  const found = wid.isGroup() ? {} : await fake.lookUp(wid);
  if (found.exists && !found.lid) throw new Error("No LID for user");
  const chat = fake.chatFor(fake.addressOf(wid));
  await fake.keepChat(chat);
  return { chat: { id: chat.id }, created: true };
};

/** Somebody begins or stops to write. */
fake.presence = ({ chat, who, on }) => {
  const presence = fake.presenceFor(fake.wid(chat));
  const type = on ? "typing" : "available";
  if (who) {
    const known = presence.chatstates.get(who);
    if (known) known.type = type;
    else presence.chatstates.add(new fake.Model({ id: fake.wid(who), type }));
  }
  presence.chatstate.type = type;
  fake.presences.trigger("change:chatstate.type", presence.chatstate);
};
