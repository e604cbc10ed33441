import { start, t } from "./i18n.js";

await start(document.getElementById("languages"), () => {
  document.title = t("unknownTitle");
  document.getElementById("title").textContent = t("unknownTitle");
  document.getElementById("text").textContent = t("unknownText");
});
