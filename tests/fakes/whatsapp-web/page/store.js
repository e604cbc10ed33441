// The page's database: who this device is, its chats and its messages. It outlives the page, its
// browser's death included. A message leaves the page's memory with the page; the database keeps it.
"use strict";

fake.store = {
  async open() {
    const request = indexedDB.open("fake-whatsapp", 1);
    request.onupgradeneeded = () => {
      const db = request.result;
      db.createObjectStore("about");
      db.createObjectStore("chats", { keyPath: "id" });
      db.createObjectStore("messages", { keyPath: "id" }).createIndex("chat", "chat");
    };
    this.db = await done(request);
  },

  async read(name) {
    return done(this.db.transaction("about").objectStore("about").get(name));
  },

  async write(name, value) {
    await this.put("about", value, name);
  },

  /** Resolves once it's on the disk. */
  async put(table, value, name) {
    const change = this.db.transaction(table, "readwrite", { durability: "strict" });
    change.objectStore(table).put(value, name);
    await finished(change);
  },

  async all(table) {
    return done(this.db.transaction(table).objectStore(table).getAll());
  },

  async get(table, id) {
    return done(this.db.transaction(table).objectStore(table).get(id));
  },

  /** The messages of a chat, oldest first. */
  async messagesOf(chat) {
    const index = this.db.transaction("messages").objectStore("messages").index("chat");
    const rows = await done(index.getAll(String(chat)));
    return rows.sort((one, other) => one.t - other.t || one.order - other.order);
  },

  /** Our message of this bare key, whatever chat it is in. */
  async ours(key) {
    return (await this.all("messages")).find((row) => row.fromMe && row.key === key);
  },

  async wipe() {
    const tables = ["about", "chats", "messages"];
    const change = this.db.transaction(tables, "readwrite", { durability: "strict" });
    for (const table of tables) change.objectStore(table).clear();
    await finished(change);
  },
};

function done(request) {
  return new Promise((yes, no) => {
    request.onsuccess = () => yes(request.result);
    request.onerror = () => no(request.error);
  });
}

function finished(change) {
  return new Promise((yes, no) => {
    change.oncomplete = () => yes();
    change.onabort = change.onerror = () => no(change.error);
  });
}
