// @ts-check
// What wa-js is told before it loads: it reports to nobody, asks nobody for previews of links,
// and leaves the device's name as WhatsApp gives it.

window.WPPConfig = /** @type {any} */ ({
  deviceName: false,
  disableGoogleAnalytics: true,
  googleAnalyticsId: null,
  linkPreviewApiServers: [],
  poweredBy: null,
  sendStatusToDevice: false,
  syncAllStatus: false,
});
