// The page's line to its server. What comes is done in order, one after the other; what the server
// keeps for us is acknowledged after it was stored, and so comes again if the page dies before.
"use strict";

fake.wire = {
  /** Tells or asks the server. */
  async post(what, body = {}) {
    const identity = fake.identity;
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`/page/${what}`, { method: "POST", headers, body: JSON.stringify({ identity, ...body }) });
    if (!answer.ok) throw new Error(`the server answered ${answer.status} to ${what}`);
    return answer.json();
  },

  /** Uploads a content. Where it is from then on. */
  async upload(blob, about) {
    const query = new URLSearchParams({ identity: fake.identity, ...about });
    const answer = await fetch(`/page/upload?${query}`, { method: "POST", body: blob });
    if (!answer.ok) throw new Error(`the server answered ${answer.status} to an upload`);
    return answer.json();
  },

  /** A content that was uploaded; null if it is there no more. */
  async download(path) {
    const answer = await fetch(path);
    return answer.ok ? answer.blob() : null;
  },

  listen(obey) {
    const lines = new EventSource(`/page/events?identity=${encodeURIComponent(fake.identity)}`);
    let last = Promise.resolve();
    lines.onmessage = ({ data }) => {
      const order = JSON.parse(data);
      last = last.then(() => obey(order)).catch((error) => console.error(error));
      if (order.seq) last = last.then(() => this.post("got", { seq: order.seq }));
    };
  },
};

document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI, sourceFile }) => {
  const text = `${violatedDirective} ${blockedURI} ${sourceFile ?? ""}`.trim();
  fake.wire.post("violation", { text }).catch(() => {});
});
