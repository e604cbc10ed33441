// The page's files: how one to be sent is made ready and uploaded, and how one that came is fetched. As
// on the real page a content is uploaded before its message leaves, and is known by its hash from then on.
"use strict";

fake.OpaqueDataBase = class OpaqueDataBase {
  throwIfReleased() {}
};

/** A content, as the page's modules pass it around. */
fake.OpaqueData = class OpaqueData extends fake.OpaqueDataBase {
  constructor(blob, base64) {
    super();
    this.blob = blob;
    this.base64 = base64;
  }

  forceToBlob() { return this.blob; }
  getBase64() { return this.base64; }
  size() { return this.blob.size; }
  type() { return this.blob.type; }

  static async createFromData(blob, type) {
    const data = new OpaqueData(new Blob([blob], { type }));
    data.origin = blob;
    return data;
  }

  static async createFromBase64Jpeg(text) {
    return new OpaqueData(new Blob([fake.bytes(text)], { type: "image/jpeg" }), text);
  }
};

fake.MediaDataModel = class MediaDataModel extends fake.Model {};
fake.MediaDataModel.prototype.proxyName = "media-data";

/** Contents by their hash, as long as the page lives. */
fake.contents = new Map();
/** Where contents were uploaded to, by their hash. */
fake.uploaded = new Map();
/** What a file may have at most, in bytes. */
fake.most = Infinity;

fake.bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
fake.base64 = (bytes) => btoa(Array.from(new Uint8Array(bytes), (byte) => String.fromCharCode(byte)).join(""));
fake.hash = async (blob) => fake.base64(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));

{
  const [FIELDS, THUMBNAIL] = [["mimetype", "size", "filename", "filehash", "directPath", "width", "height", "duration"], 48];
  const life = crypto.randomUUID();
  const origins = new WeakMap();
  let count = 0;

  /** Which of the files that this document was given: the same object is the same file. */
  function originOf(data) {
    if (!origins.has(data.origin)) origins.set(data.origin, `${life} ${++count}`);
    return origins.get(data.origin);
  }

  function typeOf(mimetype, { asDocument, asSticker, isPtt }) {
    if (asDocument) return "document";
    if (asSticker) return "sticker";
    const [family] = mimetype.split("/");
    if (family === "audio") return isPtt ? "ptt" : "audio";
    return ["image", "video"].includes(family) ? family : "document";
  }

  /** A picture's measures and thumbnail. What is no picture is an error. */
  async function look(blob) {
    const picture = await createImageBitmap(blob);
    const { width, height } = picture;
    const scale = Math.min(1, THUMBNAIL / Math.max(width, height));
    const canvas = new OffscreenCanvas(Math.max(1, width * scale), Math.max(1, height * scale));
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    const thumbnail = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.5 });
    return { fullWidth: width, fullHeight: height, preview: fake.base64(await thumbnail.arrayBuffer()) };
  }

  async function prepare(data, options) {
    const blob = data.forceToBlob();
    const type = typeOf(blob.type, options);
    const filehash = await fake.hash(blob);
    const about = { type, mimetype: blob.type, size: blob.size, filehash, mediaBlob: data, mediaStage: "PREPARED" };
    if (type === "image" || type === "sticker") Object.assign(about, await look(blob));
    if (type === "ptt") Object.assign(about, options.precomputedFields);
    return new fake.MediaDataModel(about);
  }

  fake.MediaPrep = class MediaPrep {
    constructor(type, prepared) {
      this._type = type;
      this._prepared = prepared;
    }

    async waitForPrep() {
      this._mediaData = await this._prepared;
      return this._mediaData;
    }

    async sendToChat({ chat, options }) {
      const mediaData = await this.waitForPrep();
      const { mimetype, size, filehash, fullWidth, fullHeight, preview, duration, type } = mediaData;
      const about = { mimetype, size, filehash, width: fullWidth, height: fullHeight, body: preview, duration };
      const [, answered] = await fake.addAndSend(chat, { ...about, ...options.productMsgOptions, type, mediaData });
      return answered;
    }
  };

  fake.prepRawMedia = (data, options) => {
    const prepared = prepare(data, options);
    prepared.catch(() => {});
    return new fake.MediaPrep(undefined, prepared);
  };

  /** Uploads a content that this document has not uploaded yet. Where it is. */
  fake.uploadMedia = async ({ mediaObject, mediaType }) => {
    const { filehash, mediaBlob } = mediaObject;
    const known = fake.uploaded.get(filehash);
    if (known) return known;
    const about = { type: mediaType, hash: filehash, file: originOf(mediaBlob) };
    const { path } = await fake.wire.upload(mediaBlob.forceToBlob(), about);
    fake.uploaded.set(filehash, path);
    return path;
  };

  /** Uploads a message's content. Whether it is there: a message whose content is not there never leaves. */
  fake.upload = async (model) => {
    model.mediaData.mediaStage = "UPLOADING";
    try {
      const mediaObject = { filehash: model.filehash, mediaBlob: model.mediaData.mediaBlob };
      const { uploadMedia } = fake.modules.WAWebUploadManager;
      model.directPath = await uploadMedia({ mediaObject, mediaType: model.type });
    } catch {
      model.mediaData.mediaStage = "ERROR_UPLOAD";
      return false;
    }
    fake.contents.set(model.filehash, model.mediaData.mediaBlob.forceToBlob());
    const row = await fake.store.get("messages", String(model.id));
    await fake.store.put("messages", { ...row, file: fake.fileOf(model) });
    return true;
  };

  /** Fetches a message's content; what the server has no more is missing. */
  fake.download = async (model) => {
    model.mediaData.mediaStage = "FETCHING";
    const blob = await fake.wire.download(model.directPath);
    if (blob) fake.contents.set(model.filehash, blob);
    model.mediaData.mediaStage = blob ? "RESOLVED" : "ERROR_MISSING";
  };

  /** What the database keeps of a message's file: all but its content. */
  fake.fileOf = (model) => {
    if (!model.mediaData) return undefined;
    const { caption, isCaptionByUser } = model;
    return { caption, isCaptionByUser, ...Object.fromEntries(FIELDS.map((field) => [field, model[field]])) };
  };

  /** A message's properties out of what is known of its file. */
  fake.withFile = (type, file) => {
    if (!file) return {};
    const { mimetype, size, filehash, filename, duration, directPath } = file;
    const about = { type, mimetype, size, filehash, filename, duration, directPath, mediaStage: "INIT" };
    return { ...file, mediaData: new fake.MediaDataModel(about) };
  };
}
