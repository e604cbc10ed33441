// @ts-check
// What has to be so before the page is asked to do something; and what an error says to the gateway.

const gate = (() => {
  "use strict";

  const { bounded, quiet, refuse } = page;
  const OFFLINE = new Set(["OFFLINE", "OPENING", "CONNECTING", "RESUMING"]);

  /** @param {any} error */
  function codeOf(error) {
    const words = String(error?.message ?? error);
    if (/no lid for user/i.test(words)) return "no_lid";
    if (words.includes("MEDIA_ERR_SRC_NOT_SUPPORTED")) return "file_not_supported";
    return typeof error?.code === "string" ? String(bounded(error.code, 60)) : "error";
  }

  /** @param {any} error */
  function failure(error) {
    return {
      code: codeOf(error),
      message: bounded(error?.message ?? error) ?? "unknown",
      mayBeSent: error?.mayBeSent === true,
    };
  }

  /** @param {boolean} isGood */
  const need = (isGood) => isGood || refuse("bad_params");

  function ready() {
    if (!quiet(() => WPP.loader.isInjected, false)) refuse("not_ready");
  }

  /** wa-js sends without a word when nobody is paired. So we look. */
  function connected() {
    const { isAuthenticated, mode, isFullReady, info } = page.state(null);
    if (!isAuthenticated || mode !== "MAIN" || !isFullReady) refuse("not_connected");
    return info;
  }

  function online() {
    const info = connected();
    if (info && OFFLINE.has(info)) refuse("not_connected", `the page is ${info}`);
  }

  /** @param {unknown} address */
  const isAddress = (address) => typeof address === "string" && /^[\d-]+@(c\.us|lid|g\.us)$/.test(address);

  /** @param {unknown} key */
  const isKey = (key) => typeof key === "string" && /^[0-9A-Z]{8,64}$/.test(key);

  /** @param {unknown} count */
  const isCount = (count) => Number.isInteger(count) && Number(count) >= 0;

  return { codeOf, failure, need, ready, connected, online, isAddress, isKey, isCount };
})();
