// What the page's models are made of: events, models whose changes are events, collections of them,
// and the ids of people, chats and messages. All of it is ours; only the shapes are what wa-js looks for.
"use strict";

const fake = {};

fake.Emitter = class Emitter {
  #handlers = new Map();

  on(names, handler) {
    for (const name of names.split(" ")) {
      if (!this.#handlers.has(name)) this.#handlers.set(name, new Set());
      this.#handlers.get(name).add(handler);
    }
    return this;
  }

  once(name, handler) {
    const once = (...what) => {
      this.off(name, once);
      handler(...what);
    };
    return this.on(name, once);
  }

  off(name, handler) {
    this.#handlers.get(name)?.delete(handler);
    return this;
  }

  trigger(name, ...what) {
    for (const handler of [...(this.#handlers.get(name) ?? [])]) {
      try {
        handler(...what);
      } catch (error) {
        console.error(error);
      }
    }
    return this;
  }
};

/** A model: each change of a property is an event, of its own and of its collection. */
fake.Model = class Model extends fake.Emitter {
  constructor(properties = {}) {
    super();
    this.attributes = {};
    for (const [name, value] of Object.entries(properties)) this.define(name, value);
  }

  define(name, first) {
    this.attributes[name] = first;
    const set = (value) => {
      const before = this.attributes[name];
      if (before === value) return;
      this.attributes[name] = value;
      this.trigger(`change:${name}`, this, value, before);
      this.collection?.trigger(`change:${name}`, this, value, before);
    };
    Object.defineProperty(this, name, { configurable: true, enumerable: true, get: () => this.attributes[name], set });
  }

  unset(name) {
    delete this[name];
  }
};

fake.Collection = class Collection extends fake.Emitter {
  #models = new Map();

  add(model) {
    const id = model.id.toString();
    if (!this.#models.has(id)) {
      model.collection = this;
      this.#models.set(id, model);
      this.trigger("add", model);
    }
    return this.#models.get(id);
  }

  remove(model) {
    if (this.#models.delete(model.id.toString())) this.trigger("remove", model);
  }

  get(id) {
    return id === undefined || id === null ? undefined : this.#models.get(id.toString());
  }

  async find(id) {
    return this.get(id);
  }

  getModelsArray() {
    return [...this.#models.values()];
  }

  findFirst(is) {
    return this.getModelsArray().find(is);
  }

  map(make) {
    return this.getModelsArray().map(make);
  }

  filter(is) {
    return this.getModelsArray().filter(is);
  }
};

/** The id of a person or a chat. */
fake.Wid = class Wid {
  constructor(user, server) {
    this.user = user;
    this.server = server;
    this._serialized = `${user}@${server}`;
  }

  toString() { return this._serialized; }
  toJSON() { return this._serialized; }
  equals(other) { return other?._serialized === this._serialized; }
  isGroup() { return this.server === "g.us"; }
  isLid() { return this.server === "lid"; }
  isUser() { return this.server === "c.us" || this.isLid(); }
  isBot() { return false; }
  isNewsletter() { return this.server === "newsletter"; }
  isBroadcast() { return this.server === "broadcast"; }
  isStatusV3() { return this._serialized === "status@broadcast"; }
  isPSA() { return false; }
  static isXWid(what) { return what instanceof Wid; }
};

fake.wid = (text) => {
  const [user, server] = String(text).split("@");
  if (!user || !server) throw new Error(`wid error: invalid wid ${text}`);
  return new fake.Wid(user, server);
};

/** The id of a message. As on the newest real pages it is kept in a property with a short name. */
fake.MsgKey = class MsgKey {
  constructor(parts) {
    if (!parts) throw new Error("MsgKey error: obj is null/undefined");
    this.fromMe = parts.from ? parts.selfDir === "out" : parts.fromMe;
    this.remote = parts.from ? (this.fromMe ? parts.to : parts.from) : parts.remote;
    this.id = parts.id;
    this.participant = parts.participant ?? undefined;
    this.$1 = [this.fromMe, this.remote, this.id, ...(this.participant ? [this.participant] : [])].join("_");
  }

  toString() { return this.$1; }
  equals(other) { return other?.toString() === this.toString(); }

  static fromString(text) {
    const [fromMe, remote, id, participant] = String(text).split("_");
    const member = participant && fake.wid(participant);
    return new MsgKey({ fromMe: fromMe === "true", remote: fake.wid(remote), id, participant: member });
  }

  static async newId() {
    const bytes = crypto.getRandomValues(new Uint8Array(9));
    return `3EB0${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("").toUpperCase()}`;
  }
};

fake.seconds = () => Math.floor(Date.now() / 1000);
