// Before anything is painted, so that a chosen theme does not flash up in the other one.
try {
  document.documentElement.dataset.theme = localStorage.getItem("andante.theme") ?? "system";
} catch {
  document.documentElement.dataset.theme = "system";
}
